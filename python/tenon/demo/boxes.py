# SPDX-License-Identifier: Apache-2.0
"""From a map of probabilities to boxes of text, and from a box to a straight picture of it; numpy alone."""
import numpy as np

THRESHOLD = 0.3  # of a pixel, to belong to text
SCORE = 0.5  # of a box: the mean of its pixels
UNCLIP = 1.6  # boxes grow by area * UNCLIP / perimeter: the detector learns text that is shrunk so
SMALLEST = 3  # pixels a side


def components(mask):
    """The rows and columns of the ends of the runs of each connected region (8 neighbours): a list of [n, 2]
    arrays (x, y), enough for the hull."""
    height, width = mask.shape
    edge = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edge == 1)
    stops = np.nonzero(edge == -1)[1]  # one past the end
    parent = list(range(len(rows)))

    def root(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i
    first = np.searchsorted(rows, np.arange(height + 1))
    for y in range(1, height):
        i, j = first[y - 1], first[y]
        while i < first[y] and j < first[y + 1]:
            if starts[i] <= stops[j] and starts[j] <= stops[i]:
                a, b = root(i), root(j)
                parent[max(a, b)] = min(a, b)
            if stops[i] < stops[j]:
                i += 1
            else:
                j += 1
    roots = np.array([root(i) for i in range(len(rows))], np.int64)
    order = np.argsort(roots, kind="stable")
    cuts = np.flatnonzero(np.diff(roots[order])) + 1
    return [np.concatenate([np.stack([starts[k], rows[k]], 1), np.stack([stops[k] - 1, rows[k]], 1)])
            for k in np.split(order, cuts) if len(k)]


def hull(points):
    """The convex hull, anticlockwise, by the monotone chain."""
    points = np.unique(points, axis=0)
    if len(points) < 3:
        return points.astype(float)

    def chain(line):
        out = []
        for p in line:
            while len(out) > 1 and (out[-1][0] - out[-2][0]) * (p[1] - out[-2][1]) - \
                    (out[-1][1] - out[-2][1]) * (p[0] - out[-2][0]) <= 0:
                out.pop()
            out.append(p)
        return out[:-1]
    line = points.tolist()
    return np.array(chain(line) + chain(line[::-1]), float)


def smallest_rectangle(points):
    """(centre, size, direction of the first side) of the rectangle of least area around the points. One side of
    it lies along an edge of the hull."""
    corner = hull(points)
    sides = np.roll(corner, -1, 0) - corner
    length = np.hypot(*sides.T)
    sides = sides[length > 0] / length[length > 0, None] if len(corner) > 1 else np.array([[1.0, 0.0]])
    along, across = sides @ corner.T, np.stack([-sides[:, 1], sides[:, 0]], 1) @ corner.T
    w, h = np.ptp(along, axis=1), np.ptp(across, axis=1)
    i = int((w * h).argmin())
    u = sides[i]
    v = np.array([-u[1], u[0]])
    centre = u * (along[i].max() + along[i].min()) / 2 + v * (across[i].max() + across[i].min()) / 2
    return centre, np.array([w[i], h[i]]), u


def corners(centre, size, u):
    """Upper left, upper right, lower right, lower left as one reads; a tall box is read from the left."""
    v = np.array([-u[1], u[0]])
    four = np.stack([centre + u * a * size[0] / 2 + v * b * size[1] / 2 for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
    by_x = four[np.argsort(four[:, 0], kind="stable")]
    left, right = (half[np.argsort(half[:, 1], kind="stable")] for half in (by_x[:2], by_x[2:]))
    return np.stack([left[0], right[0], right[1], left[1]])


def _mean_inside(score, box):
    """The mean of a map over the pixels of a box."""
    low = np.clip(np.floor(box.min(0)).astype(int), 0, [score.shape[1] - 1, score.shape[0] - 1])
    high = np.clip(np.ceil(box.max(0)).astype(int), 0, [score.shape[1] - 1, score.shape[0] - 1])
    y, x = np.mgrid[low[1]:high[1] + 1, low[0]:high[0] + 1]
    inside = np.ones(x.shape, bool)
    for a, b in zip(box, np.roll(box, -1, 0)):
        inside &= (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) >= -1e-9
    part = score[low[1]:high[1] + 1, low[0]:high[0] + 1]
    return float(part[inside].mean()) if inside.any() else 0.0


def find(score):
    """Boxes of text [4, 2] in a map of probabilities, in the order of reading."""
    mask = score > THRESHOLD
    wide = mask.copy()  # a stroke that touches at a corner is one with its neighbour
    wide[1:] |= mask[:-1]
    wide[:, 1:] |= mask[:, :-1]
    wide[1:, 1:] |= mask[:-1, :-1]
    found = []
    for points in components(wide):
        centre, size, u = smallest_rectangle(points)
        if size.min() < SMALLEST or _mean_inside(score, corners(centre, size, u)) < SCORE:
            continue
        size = size + 2 * UNCLIP * size[0] * size[1] / (2 * size.sum())
        if size.min() >= SMALLEST + 2:
            found.append(corners(centre, size, u))
    return in_order(found)


def in_order(boxes):
    """Lines from the top, boxes of a line from the left."""
    boxes = sorted(boxes, key=lambda b: (b[:, 1].mean(), b[0, 0]))
    lines = []
    for box in boxes:
        height = np.hypot(*(box[3] - box[0]))
        if lines and abs(box[:, 1].mean() - lines[-1][-1][:, 1].mean()) < height / 2:
            lines[-1].append(box)
        else:
            lines.append([box])
    return [box for line in lines for box in sorted(line, key=lambda b: b[0, 0])]


def crop(picture, box):
    """The box as a straight picture, its longer side across: bilinear between the pixels, the edge repeated."""
    width, height = (max(1, round(float(np.hypot(*(box[i] - box[j]))))) for i, j in ((1, 0), (3, 0)))
    across, down = (box[1] - box[0]) / width, (box[3] - box[0]) / height
    i, j = np.arange(width) + 0.5, np.arange(height) + 0.5
    at = box[0] + i[None, :, None] * across + j[:, None, None] * down - 0.5
    x, y = (np.clip(at[..., k], 0, picture.shape[1 - k] - 1) for k in (0, 1))
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    x1, y1 = np.minimum(x0 + 1, picture.shape[1] - 1), np.minimum(y0 + 1, picture.shape[0] - 1)
    fx, fy = (x - x0)[..., None], (y - y0)[..., None]
    p = picture.astype(np.float64)
    out = (p[y0, x0] * (1 - fx) + p[y0, x1] * fx) * (1 - fy) + (p[y1, x0] * (1 - fx) + p[y1, x1] * fx) * fy
    out = np.rint(out).astype(np.uint8)
    return np.rot90(out) if height >= 1.5 * width else out
