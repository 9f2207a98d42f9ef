/* SPDX-License-Identifier: Apache-2.0 */
/* The report of one page: a fixed page with the records inside, drawn by its own script. */
#include <conformance/verify.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char head[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Conformance</title>\n"
    "<style>\n"
    ":root{--ink:#1b1f24;--soft:#5b6570;--line:#dfe3e8;--page:#fff;--good:#2f7d4f;--bad:#b3261e;--"
    "none:#aeb6bf;--fill:#3b6ea8}"
    "\n"
    "body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--page);margin:2rem "
    "auto;max-width:72rem;padding:0 1.5rem}"
    "\n"
    "h1{font-size:1.7rem;margin:0}h2{font-size:1.15rem;margin:2.4rem 0 .6rem;border-bottom:1px "
    "solid var(--line);padding-bottom:.3rem}"
    "\n"
    "p.soft,td.soft,.soft{color:var(--soft)}table{border-collapse:collapse;font-variant-numeric:"
    "tabular-nums}\n"
    "th,td{padding:.28rem .7rem;text-align:right;border-bottom:1px solid "
    "var(--line)}th{font-weight:600;color:var(--soft)}\n"
    "th:first-child,td:first-child{text-align:left}.verdict{font-size:1.2rem;font-weight:600;"
    "margin:.8rem 0}\n"
    ".good{color:var(--good)}.bad{color:var(--bad)}.tiles{display:flex;gap:2.2rem;flex-wrap:wrap;"
    "margin:1rem 0}\n"
    ".tile b{display:block;font-size:1.5rem}.cell{min-width:3.2rem;text-align:center}\n"
    "code,pre{font:13px/1.4 "
    "ui-monospace,monospace}pre{background:#f5f7f9;padding:.7rem;overflow:auto}\n"
    ".fail{margin:.9rem 0;padding-left:.9rem;border-left:3px solid var(--bad)}.fail "
    "b{font-weight:600}\n"
    ".bars{display:flex;align-items:flex-end;gap:2px;height:120px}.bars "
    "div{flex:1;background:var(--fill);min-height:1px}\n"
    ".axis{display:flex;justify-content:space-between;color:var(--soft);font-size:13px}\n"
    "</style></head><body>\n"
    "<h1 id=\"title\"></h1><p class=\"soft\" id=\"about\"></p><div class=\"verdict\" "
    "id=\"verdict\"></div>\n"
    "<div class=\"tiles\" id=\"tiles\"></div>\n"
    "<h2>Failures</h2><div id=\"failures\"></div>\n"
    "<h2>By level</h2><div id=\"levels\"></div>\n"
    "<h2>By operation and type of the first operand</h2><p class=\"soft\">Passed of "
    "executed.</p><div id=\"types\"></div>\n"
    "<h2>Error over bound</h2><p class=\"soft\">The largest error of each case, in parts of its "
    "bound; 1 is the limit. Cases that are compared bit for bit are left out.</p>"
    "<div id=\"bars\"></div>\n"
    "<h2>Where errors are largest</h2><p class=\"soft\">Largest error over bound by operation and "
    "class of data; &middot; is bit for bit.</p>"
    "<div id=\"heat\"></div>\n"
    "<h2>What is not supported</h2><div id=\"missing\"></div>\n"
    "<h2>Against the baseline</h2><div id=\"diff\"></div>\n"
    "<script id=\"data\" type=\"application/json\">";

static const char tail[] =
    "</script>\n"
    "<script>\n"
    "\"use strict\";{\n"
    "const d=JSON.parse(document.getElementById('data').textContent),R=d.records;\n"
    "const $=i=>document.getElementById(i),E=(t,x,c)=>{const "
    "e=document.createElement(t);if(x!==undefined)e.textContent=x;if(c)e.className=c;"
    "return e};\n"
    "const bad=s=>!['pass','not_supported','waived'].includes(s);\n"
    "const ratio=r=>typeof "
    "r.metrics.error_over_bound==='number'?r.metrics.error_over_bound:Infinity;\n"
    "$('title').textContent='Conformance of '+d.device;\n"
    "$('about').textContent='List '+d.list+' ('+d.list_hash+'), '+R.length+' cases in "
    "'+d.seconds.toFixed(1)+' s; CANONICAL 1'+(R.length<d.total?';"
    " '+(d.total-R.length)+' cases of the list were not run':'');\n"
    "const failed=R.filter(r=>bad(r.status)),ran=R.filter(r=>r.status!=='not_supported');\n"
    "$('verdict').textContent=failed.length?failed.length+' of '+ran.length+' executed cases "
    "failed':ran.length?'All '+ran.length+' executed cases passed':'Nothing was executed';"
    "$('verdict').className='verdict '+(failed.length||!ran.length?'bad':'good');\n"
    "const count=(rows,key)=>{const m=new Map();for(const r of rows){const "
    "k=key(r);m.set(k,(m.get(k)||0)+1)}return m};\n"
    "for(const [k,n] of count(R,r=>r.status)){const "
    "t=E('div','','tile');t.append(E('b',n),E('span',k.replace('_',' '),'soft'));"
    "$('tiles').append(t)}\n"
    "function table(to,head,rows){const "
    "t=E('table'),h=E('tr');head.forEach(x=>h.append(E('th',x)));t.append(h);rows.forEach(r=>"
    "{const w=E('tr');r.forEach(c=>{const e=c instanceof "
    "Node?c:E('td',c);w.append(e)});t.append(w)});to.append(t)}\n"
    "const op=r=>r.op.split(/[ :]/)[0],type=r=>(r.op.split(':')[1]||'').split(':')[0]||'-';\n"
    "const names=['registers','memory','copies','queues and fences','functions, casts, "
    "moves','sums of one tile','library ops',"
    "'stress','models'];\n"
    "function groups(to,key,label,h){const m=new Map();for(const r of R){const "
    "k=key(r);if(!m.has(k))m.set(k,[]);m.get(k).push(r)}"
    "const rows=[...m.keys()].sort().map(k=>{const "
    "g=m.get(k),f=g.filter(r=>bad(r.status)).length,p=g.filter(r=>r.status==='pass').length;"
    "const c=E('td',f,f?'bad':'');return "
    "[label(k),g.length,p,c,g.length-p-f]});table(to,[h,'cases','passed','failed','not run'],"
    "rows)}\n"
    "groups($('levels'),r=>r.level,k=>'L'+k+' '+(names[k]||''),'level');\n"
    "const kinds=[...new Set(R.filter(r=>r.level>3).map(op))].sort(),types=[...new "
    "Set(R.filter(r=>r.level>3).map(r=>type(r).split(',"
    "')[0]))].sort();\n"
    "table($('types'),['',...types],kinds.map(o=>[o,...types.map(k=>{const "
    "g=R.filter(r=>op(r)===o&&type(r).split(',')[0]===k&&r.status!=='not_supported'),"
    "f=g.filter(r=>bad(r.status)).length;return E('td',g.length?(g.length-f)+' / "
    "'+g.length:'',f?'bad':'')})]));\n"
    "const q=R.filter(r=>r.status==='pass'&&ratio(r)>0&&isFinite(ratio(r))).map(ratio),B=40,h=new "
    "Array(B).fill(0);\n"
    "q.forEach(x=>h[Math.min(B-1,Math.floor(x*B))]++);const "
    "top=Math.max(1,...h),bars=E('div','','bars');\n"
    "h.forEach((n,i)=>{const b=E('div');b.style.height=(100*n/top)+'%';b.title=n+' cases from "
    "'+(i/B).toFixed(3)+' to '+((i+1)/B).toFixed(3);"
    "bars.append(b)});\n"
    "const "
    "axis=E('div','','axis');['0','0.25','0.5','0.75','1'].forEach(x=>axis.append(E('span',x)));$('"
    "bars').append(bars,axis,"
    "E('p',q.length+' cases, median "
    "'+(q.length?q.slice().sort((a,b)=>a-b)[q.length>>1].toFixed(3):'-'),'soft'));\n"
    "const ops=[...new Set(R.filter(r=>r.level>3).map(op))].sort(),data=[...new "
    "Set(R.map(r=>r.data))].sort();\n"
    "table($('heat'),['',...data],ops.map(o=>[o,...data.map(k=>{const "
    "g=R.filter(r=>op(r)===o&&r.data===k&&r.status!=='not_supported');"
    "const c=E('td','','cell');if(!g.length)return c;const "
    "w=Math.max(...g.map(r=>bad(r.status)?Infinity:ratio(r)));c.textContent=w===Infinity?'fail':w=="
    "=0?'\\u00b7':w.toFixed(2);"
    "c.style.background=w===Infinity?'#f3c9c5':'rgba(59,110,168,'+Math.min(1,w)*0.55+')';return "
    "c})]));\n"
    "const by=new Map();for(const r of failed){const "
    "k=r.hypothesis||r.status;if(!by.has(k))by.set(k,[]);by.get(k).push(r)}\n"
    "for(const [k,g] of [...by].sort((a,b)=>b[1].length-a[1].length).slice(0,40)){const "
    "f=E('div','','fail'),r=g[0];f.append(E('b',"
    "k+(g.length>1?' ('+g.length+' "
    "cases)':'')));f.append(E('div',r.case));if(r.message)f.append(E('div',r.message,'soft'));f."
    "append(E('code',"
    "r.replay));$('failures').append(f)}\n"
    "if(!failed.length)$('failures').append(E('p','None.','soft'));\n"
    "const why=count(R.filter(r=>r.status==='not_supported'),r=>op(r)+': "
    "'+(r.message||'').split(';')[0]);\n"
    "table($('missing'),['reason','cases'],[...why].sort((a,b)=>b[1]-a[1]).slice(0,30));\n"
    "if(!d.baseline){$('diff').append(E('p','No baseline was given (--baseline "
    "FILE).','soft'))}else{const old=new Map(d.baseline.map(r=>"
    "[r.case,r]));const "
    "rows=R.filter(r=>old.has(r.case)&&(old.get(r.case).status!==r.status||old.get(r.case).digest!="
    "=r.metrics.digest)).map(r=>"
    "[r.case,old.get(r.case).status,r.status,old.get(r.case).digest===r.metrics.digest?'same "
    "bits':'other bits']);const more=R.filter(r=>"
    "!old.has(r.case)).length;$('diff').append(E('p',rows.length+' cases differ, '+more+' are "
    "new','soft'));if(rows.length)table($('diff'),"
    "['case','before','now',''],rows.slice(0,300))}\n"
    "}</script></body></html>\n";

/* Records of an earlier run: names, statuses and digests. */
static cJSON *baseline(const char *path)
{
    FILE *f = path != NULL ? fopen(path, "r") : NULL;
    cJSON *list = f != NULL ? cJSON_CreateArray() : NULL;
    char *line = NULL;
    size_t room = 0;
    while (f != NULL && getline(&line, &room, f) > 0) {
        cJSON *r = cJSON_Parse(line), *one = cJSON_CreateObject();
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(r, "case")),
                   *status = cJSON_GetStringValue(cJSON_GetObjectItem(r, "status")),
                   *digest = cJSON_GetStringValue(
                       cJSON_GetObjectItem(cJSON_GetObjectItem(r, "metrics"), "digest"));
        if (name != NULL && status != NULL) {
            cJSON_AddStringToObject(one, "case", name);
            cJSON_AddStringToObject(one, "status", status);
            cJSON_AddStringToObject(one, "digest", digest != NULL ? digest : "");
            cJSON_AddItemToArray(list, one);
        } else {
            cJSON_Delete(one);
        }
        cJSON_Delete(r);
    }
    free(line);
    if (f != NULL)
        fclose(f);
    return list;
}

/* Text inside of a script element: a closing tag must not end it. */
static void inline_json(FILE *f, const char *text)
{
    for (; *text != '\0'; ++text)
        if (*text == '<')
            fputs("\\u003c", f);
        else
            fputc(*text, f);
}

bool tn_v_write_html(const tn_v_options *o, const tn_v_summary *s, const char *path)
{
    FILE *f = fopen(path, "w");
    if (f == NULL)
        return false;
    fputs(head, f);
    fprintf(f, "{\"device\":");
    cJSON *device = cJSON_CreateString(o->device);
    char *name = cJSON_PrintUnformatted(device);
    inline_json(f, name != NULL ? name : "\"\"");
    cJSON_free(name);
    cJSON_Delete(device);
    fprintf(f, ",\"list\":\"%s\",\"list_hash\":\"%s\",\"seconds\":%.3f,\"total\":%ld,\"records\":[",
            tn_v_list_names[o->list], s->list_hash, s->seconds, s->cases);
    bool first = true;
    for (long i = 0; i < s->total; ++i) {
        if (s->records[i].which == NULL)
            continue;
        char *line = tn_v_record_json(o, &s->records[i], s->list_hash);
        if (line == NULL)
            continue;
        fputs(first ? "" : ",", f);
        inline_json(f, line);
        free(line);
        first = false;
    }
    fputs("]", f);
    cJSON *old = baseline(o->baseline);
    char *text = old != NULL ? cJSON_PrintUnformatted(old) : NULL;
    if (text != NULL) {
        fputs(",\"baseline\":", f);
        inline_json(f, text);
    }
    cJSON_free(text);
    cJSON_Delete(old);
    fputs("}", f);
    fputs(tail, f);
    return fclose(f) == 0;
}
