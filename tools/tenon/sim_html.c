/* SPDX-License-Identifier: Apache-2.0 */
/* The timeline of an op as one page: its data inlined, drawn by its own script. */
#include "sim_html.h"

#include <inttypes.h>

static const char head[] =
    "<!doctype html>\n<meta charset=\"utf-8\">\n<title>timeline</title>\n<style>\n"
    "body{font:13px system-ui,sans-serif;margin:12px;background:#fff;color:#222}\n"
    "h1{font-size:15px;margin:0 0 4px} p{margin:0 0 8px;color:#555}\n"
    "canvas{width:100%;border:1px solid #ccc;cursor:crosshair;display:block}\n"
    "#tip{position:fixed;background:#222;color:#fff;padding:4px 7px;border-radius:3px;"
    "pointer-events:none;display:none;white-space:pre;font:12px monospace}\n"
    "@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}p{color:#aaa}}\n"
    "</style>\n<h1 id=\"title\"></h1>\n<p>Wheel: zoom. Drag: move. Double click: all of it. A "
    "hollow "
    "end is time until the effect shows; a line is the signal that a command waited for.</p>\n"
    "<canvas id=\"c\"></canvas><div id=\"tip\"></div>\n"
    "<script id=\"data\" type=\"application/json\">";

static const char tail[] =
    "</script>\n<script>\n"
    "const d=JSON.parse(document.getElementById('data').textContent);\n"
    "document.getElementById('title').textContent=d.title;\n"
    "const "
    "c=document.getElementById('c'),tip=document.getElementById('tip'),g=c.getContext('2d');\n"
    "const H=30,L=70,T=22,end=Math.max(1,...d.commands.map(x=>x[4]));\n"
    "const "
    "hue={LD:210,ST:280,GTH:190,FILL:180,LDW:30,MM:120,MAP:340,RED:320,BLK:0,MRG:20,IOT:350};\n"
    "const used=d.engines.map((_,e)=>d.commands.some(x=>x[0]==e));\n"
    "const lane=[];let n=0;d.engines.forEach((_,e)=>lane[e]=used[e]?n++:-1);\n"
    "let from=0,to=end,drag=null;\n"
    "const X=t=>L+(t-from)/(to-from)*(c.clientWidth-L-8);\n"
    "function draw(){\n"
    " const "
    "r=devicePixelRatio||1,w=c.clientWidth,h=T+n*H+6;c.style.height=h+'px';c.width=w*r;c.height=h*"
    "r;\n"
    " g.setTransform(r,0,0,r,0,0);g.clearRect(0,0,w,h);g.font='12px "
    "sans-serif';g.textBaseline='middle';\n"
    " const ink=getComputedStyle(document.body).color;\n"
    " const step=Math.pow(10,Math.floor(Math.log10((to-from)/4)));\n"
    " for(let "
    "t=Math.ceil(from/"
    "step)*step;t<=to;t+=step){g.fillStyle='rgba(128,128,128,.25)';g.fillRect(X(t),T,1,h);\n"
    "  "
    "g.fillStyle=ink;g.fillText((t/"
    "d.ticks_per_us).toLocaleString(undefined,{maximumFractionDigits:4})+' us',X(t)+2,10)}\n"
    " g.fillStyle=ink;d.engines.forEach((e,i)=>{if(used[i])g.fillText(e,4,T+lane[i]*H+H/2)});\n"
    " g.save();g.beginPath();g.rect(L,T,w,h);g.clip();\n"
    " for(const x of d.commands){const "
    "a=X(x[2]),b=X(x[3]),z=X(x[4]),y=T+lane[x[0]]*H+4,k=H-8;if(z<L||a>w)continue;\n"
    "  g.fillStyle='hsl('+(hue[x[1]]??240)+',60%,55%)';g.fillRect(a,y,Math.max(b-a,.7),k);\n"
    "  g.strokeStyle=g.fillStyle;if(z-b>1)g.strokeRect(b,y+k/2-2,z-b,4);\n"
    "  if(b-a>26){g.fillStyle='#000';g.fillText(x[1],a+3,y+k/2)}}\n"
    " g.strokeStyle='rgba(128,128,128,.6)';\n"
    " if(to-from<end/3||d.commands.length<200)for(const x of d.commands)if(x[6]>=0){const "
    "s=d.commands[x[6]];\n"
    "  "
    "g.beginPath();g.moveTo(X(s[4]),T+lane[s[0]]*H+H/2);g.lineTo(X(x[2]),T+lane[x[0]]*H+H/"
    "2);g.stroke()}\n"
    " g.restore()}\n"
    "function at(e){const "
    "t=from+(e.offsetX-L)/(c.clientWidth-L-8)*(to-from),k=Math.floor((e.offsetY-T)/H);\n"
    " return "
    "d.commands.filter(x=>lane[x[0]]==k&&x[2]<=t&&t<=Math.max(x[4],x[2])).sort((p,q)=>p[4]-q[4])[0]"
    "}\n"
    "c.onwheel=e=>{e.preventDefault();const "
    "t=from+(e.offsetX-L)/(c.clientWidth-L-8)*(to-from),f=Math.exp(e.deltaY*.002);\n"
    " from=Math.max(0,t-(t-from)*f);to=Math.min(end,t+(to-t)*f);if(to-from<10)to=from+10;draw()};\n"
    "c.onmousedown=e=>drag=[e.offsetX,from,to];onmouseup=()=>drag=null;\n"
    "c.ondblclick=()=>{from=0;to=end;draw()};\n"
    "c.onmousemove=e=>{if(drag){const "
    "s=(drag[0]-e.offsetX)/(c.clientWidth-L-8)*(drag[2]-drag[1]);\n"
    "  from=drag[1]+s;to=drag[2]+s;draw();return}\n"
    " const x=at(e);tip.style.display=x?'block':'none';if(!x)return;\n"
    " tip.style.left=Math.min(e.clientX+12,innerWidth-260)+'px';tip.style.top=e.clientY+12+'px';\n"
    " tip.textContent=x[1]+' '+x[5]+' on '+d.engines[x[0]]+'\\nstart '+x[2]+', issued '+x[3]+', "
    "shows '+x[4]+' ticks\\n'"
    "+x[7]+(x[8]?'\\nwaited: '+x[8]:'')};\n"
    "c.onmouseleave=()=>tip.style.display='none';onresize=draw;draw();\n"
    "</script>\n";

void tool_html_begin(FILE *f, const char *title, uint64_t tick_khz, uint32_t engines)
{
    char name[24];
    fprintf(f, "%s{\"title\": \"", head);
    for (; *title != '\0'; title++) /* a text of an op has no control characters */
        if (*title == '"' || *title == '\\' || *title == '<')
            fprintf(f, "\\u%04x", (unsigned char)*title);
        else
            fputc(*title, f);
    fprintf(f, "\", \"ticks_per_us\": %.3f,\n\"engines\": [", (double)tick_khz * 1e-3);
    for (uint32_t e = 0; e < engines; e++) {
        tool_engine_name(e, name, sizeof name);
        fprintf(f, "%s\"%s\"", e != 0 ? ", " : "", name);
    }
    fprintf(f, "],\n\"commands\": [");
}

void tool_html_command(FILE *f, bool first, const sim_retired *r, const tn_k_sys_packet *p,
                       int64_t signaller)
{
    static const char *const stalls[] = {"", "semaphore", "resource"};
    fprintf(f,
            "%s\n[%u, \"%s\", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRId64
            ", \"n %u %u %u, a %08x, c %08x\", \"%s\"]",
            first ? "" : ",", r->engine, tool_packet_name(p->op), r->start, r->issued, r->end,
            r->seq, signaller, p->n0, p->n1, p->n2, p->a, p->c,
            stalls[r->stall < 3 ? r->stall : 0]);
}

void tool_html_end(FILE *f)
{
    fprintf(f, "\n]}%s", tail);
}
