/* What touches every pixel when masks are carried along and get their edges: for livestyle.masks.flow, .denoise and
   .edges.

   refine: coarse weights are enlarged. Within the part that has edges a weight is, as far as colour explains it,
   clip(slopes . rgb + offset) of the regions that were fitted; the first region gets what they leave, and all are
   sharpened (cubes that sum to 1). Colour explains nothing away from edges, so most runs of pixels are but enlarged.
   mean: a picture goes over into a new one by a coarse share. Everything coarse is enlarged on the fly, with the
   geometry of cv2.INTER_LINEAR.
   fit: the coefficients themselves, on the coarse grid; windows are recomputed each time, because a running sum would drift.
   shrink: the picture on that grid.
   differ, count: how many frames of a stream that mean is worth, by what has changed in its luma.
   edge_align: the flow at the edges of what is in front.
   warp: weights moved along a motion, with the geometry of cv2.remap. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-trapping-math") /* else a comparison keeps its loop from being vectorised */
#endif

#ifdef _MSC_VER
#define restrict __restrict
#endif

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#define HAVE_AVX2 1
#define INLINE static inline __attribute__((always_inline))
#else
#define HAVE_AVX2 0
#define INLINE static inline
#endif

enum {
    RUN = 32, /* pixels that are worked on at once */
    PAD = RUN + 1,
    MAX_REGIONS = 16,
    ROOM = 17,     /* planes that a fit needs to work in */
    PARTS = 4,     /* slopes for r, g and b, and the offset */
    NARROW = 8,    /* the least width that is fitted */
    LARGEST = 4096 /* pixels of a side: all counts then fit into 32 bits */
};

typedef struct {
    int height, width;               /* of the picture */
    int coarse_height, coarse_width; /* of everything coarse */
} Sizes;

/* Several coarse planes, of which two neighbouring rows are enlarged across. */
typedef struct {
    Sizes sizes;
    const float *planes; /* count * coarse_height * coarse_width */
    int count;
    int factor;      /* pixels a coarse cell is wide, where that is a whole number; else 0 */
    int across;      /* the picture's width, rounded up to whole runs */
    int32_t *column; /* per pixel of a row: left of the two coarse columns it lies between */
    float *share;    /* per pixel of a row: weight of the right one */
    float *line;     /* a coarse row, its ends repeated once on the left and PAD times behind */
    float *rows[2];  /* count * across each */
    int row[2];      /* which coarse rows they are; -1: none yet */
    float down;      /* how far the picture's row at hand lies from the first to the second, 0..1 */
} Grid;

static float place(int at, int large, int small, int32_t *low)
{
    float position = ((float)at + 0.5f) * (float)small / (float)large - 0.5f;
    if (position <= 0) { *low = 0; return 0; }
    if (position >= (float)(small - 1)) { *low = small - 1; return 0; }
    *low = (int32_t)position;
    return position - (float)*low;
}

static int grid_open(Grid *grid, Sizes sizes, const float *planes, int count)
{
    size_t across = ((size_t)sizes.width + RUN - 1) / RUN * RUN;
    grid->sizes = sizes, grid->planes = planes, grid->count = count, grid->across = (int)across;
    grid->factor = sizes.width % sizes.coarse_width ? 0 : sizes.width / sizes.coarse_width;
    grid->column = malloc(sizeof(int32_t) * across);
    grid->share = malloc(sizeof(float) * across);
    grid->line = malloc(sizeof(float) * ((size_t)sizes.coarse_width + 1 + PAD));
    grid->rows[0] = malloc(sizeof(float) * across * (size_t)count);
    grid->rows[1] = malloc(sizeof(float) * across * (size_t)count);
    grid->row[0] = grid->row[1] = -1;
    if (!grid->column || !grid->share || !grid->line || !grid->rows[0] || !grid->rows[1]) return 0;
    for (int x = 0; x < grid->across; x++)
        grid->share[x] = place(x, sizes.width, sizes.coarse_width, &grid->column[x]);
    return 1;
}

static void grid_close(Grid *grid)
{
    free(grid->column);
    free(grid->share);
    free(grid->line);
    free(grid->rows[0]);
    free(grid->rows[1]);
}

/* Enlarges a line to whole runs. The usual factors need no look at which cells a pixel lies between. */
INLINE void enlarge_across(float *restrict out, const float *restrict line, const Grid *grid)
{
    if (grid->factor == 4) {
        for (int c = 0; c < grid->across / 4; c++) {
            float here = line[c], left = line[c - 1] - here, right = line[c + 1] - here;
            out[4 * c] = here + left * 0.375f;
            out[4 * c + 1] = here + left * 0.125f;
            out[4 * c + 2] = here + right * 0.125f;
            out[4 * c + 3] = here + right * 0.375f;
        }
    } else if (grid->factor == 2) {
        for (int c = 0; c < grid->across / 2; c++) {
            float here = line[c], left = line[c - 1] - here, right = line[c + 1] - here;
            out[2 * c] = here + left * 0.25f;
            out[2 * c + 1] = here + right * 0.25f;
        }
    } else {
        const int32_t *restrict column = grid->column;
        const float *restrict share = grid->share;
        for (int x = 0; x < grid->across; x++) {
            float near = line[column[x]], far = line[column[x] + 1];
            out[x] = near + (far - near) * share[x];
        }
    }
}

INLINE void fill(Grid *grid, int which, int row)
{
    int width = grid->sizes.coarse_width;
    size_t cells = (size_t)grid->sizes.coarse_height * width;
    float *line = grid->line + 1;
    if (grid->row[which] == row) return;
    grid->row[which] = row;
    for (int k = 0; k < grid->count; k++) {
        memcpy(line, grid->planes + k * cells + (size_t)row * width, sizeof(float) * (size_t)width);
        line[-1] = line[0];
        for (int x = width; x < width + PAD; x++) line[x] = line[width - 1];
        enlarge_across(grid->rows[which] + (size_t)k * grid->across, line, grid);
    }
}

/* Makes the two coarse rows ready between which row y of the picture lies. */
INLINE void grid_row(Grid *grid, int y)
{
    int32_t low;
    grid->down = place(y, grid->sizes.height, grid->sizes.coarse_height, &low);
    if (grid->row[1] == low) {
        float *rows = grid->rows[0];
        grid->rows[0] = grid->rows[1], grid->rows[1] = rows;
        grid->row[1] = grid->row[0], grid->row[0] = low;
    }
    fill(grid, 0, low);
    fill(grid, 1, low + 1 < grid->sizes.coarse_height ? low + 1 : low);
}

/* Pixels x .. x + RUN of a plane in the row at hand; x is a multiple of RUN. Behind the row's end they mean nothing. */
INLINE void enlarge(float *restrict out, const Grid *grid, int plane, int x)
{
    const float *restrict upper = grid->rows[0] + (size_t)plane * grid->across + x;
    const float *restrict lower = grid->rows[1] + (size_t)plane * grid->across + x;
    for (int j = 0; j < RUN; j++) out[j] = upper[j] + (lower[j] - upper[j]) * grid->down;
}

/* ---- Weights with the picture's edges --------------------------------------------------------------------------- */

typedef struct {
    Sizes sizes;
    float *weights;            /* regions planes of the picture's size: the result */
    const float *guide;        /* height * width * 3 */
    const float *sharp;        /* regions coarse planes; if `fades`, one more that the weights are multiplied by */
    const float *coefficients; /* fitted * PARTS coarse planes, then how far colour explains: 0..1 */
    int regions, fitted, fades;
    int region[MAX_REGIONS];   /* of each fitted one, which of the regions it is; never 0 */
    int top, bottom, left, right; /* the part that has edges; left is a multiple of RUN */
} Job;

INLINE float clipped(float value)
{
    float low = value > 0 ? value : 0; /* two steps: what the vector instructions for minimum and maximum do */
    return low < 1 ? low : 1;
}

/* Cubes of the weights that the coefficients give to pixels at .. at + count; `total` gets their sum. */
INLINE void fit_run(const Job *job, const Grid *fit, size_t at, int x, int count, float found[][RUN], float *total)
{
    float color[3][RUN] = {{0}}, part[RUN], value[RUN], left[RUN];
    for (int j = 0; j < count; j++)
        for (int c = 0; c < 3; c++) color[c][j] = job->guide[(at + j) * 3 + c];
    for (int j = 0; j < RUN; j++) left[j] = 1;
    for (int r = 1; r < job->regions; r++)
        for (int j = 0; j < RUN; j++) found[r][j] = 0;
    for (int k = 0; k < job->fitted; k++) {
        float *region = found[job->region[k]];
        enlarge(value, fit, k * PARTS + 3, x);
        for (int c = 0; c < 3; c++) {
            enlarge(part, fit, k * PARTS + c, x);
            for (int j = 0; j < RUN; j++) value[j] += part[j] * color[c][j];
        }
        for (int j = 0; j < RUN; j++) {
            float weight = clipped(value[j]);
            region[j] = weight * weight * weight;
            left[j] -= weight;
        }
    }
    for (int j = 0; j < RUN; j++) {
        float rest = clipped(left[j]);
        found[0][j] = total[j] = rest * rest * rest;
    }
    for (int r = 1; r < job->regions; r++)
        for (int j = 0; j < RUN; j++) total[j] += found[r][j];
}

/* Mixes what the coefficients say into the run's weights; nothing where they explain nothing. */
INLINE void mix_run(const Job *job, const Grid *fit, size_t at, int x, int count, float weight[][RUN])
{
    float share[RUN], total[RUN], found[MAX_REGIONS][RUN];
    int any = 0;
    enlarge(share, fit, job->fitted * PARTS, x);
    for (int j = 0; j < RUN; j++) any |= share[j] > 0;
    if (!any) return;
    fit_run(job, fit, at, x, count, found, total);
    for (int j = 0; j < RUN; j++) total[j] = 1 / (total[j] > 1e-6f ? total[j] : 1e-6f);
    for (int r = 0; r < job->regions; r++)
        for (int j = 0; j < RUN; j++) weight[r][j] += share[j] * (found[r][j] * total[j] - weight[r][j]);
}

/* Pixels x .. x + count of row y; `edges`: they are in the part that has some. */
INLINE void refine_run(const Job *job, const Grid *all, const Grid *fit, int y, int x, int count, int edges)
{
    size_t plane = (size_t)job->sizes.height * job->sizes.width, at = (size_t)y * job->sizes.width + x;
    float weight[MAX_REGIONS][RUN], fade[RUN];
    for (int r = 0; r < job->regions; r++) enlarge(weight[r], all, r, x);
    if (edges) mix_run(job, fit, at, x, count, weight);
    if (job->fades) {
        enlarge(fade, all, job->regions, x);
        for (int r = 0; r < job->regions; r++)
            for (int j = 0; j < RUN; j++) weight[r][j] *= fade[j];
    }
    for (int r = 0; r < job->regions; r++) {
        float *restrict out = job->weights + r * plane + at;
        for (int j = 0; j < count; j++) out[j] = weight[r][j] > 0 ? weight[r][j] : 0; /* rounding may leave a -1e-20 */
    }
}

INLINE void refine_rows(const Job *job, Grid *all, Grid *fit)
{
    int width = job->sizes.width;
    for (int y = 0; y < job->sizes.height; y++) {
        int within = y >= job->top && y < job->bottom;
        grid_row(all, y);
        if (within) grid_row(fit, y);
        for (int x = 0; x < width; x += RUN)
            refine_run(job, all, fit, y, x, width - x < RUN ? width - x : RUN,
                       within && x >= job->left && x < job->right);
    }
}

/* ---- The guided filter's fit, on the coarse grid ----------------------------------------------------------------- */

typedef struct {
    int height, width, radius;
    size_t stride; /* of a row of room: width + 2 * radius */
    float *room;   /* height rows */
} Window;

typedef struct {
    Window window;
    float *out;           /* fitted * PARTS planes, then how far colour explains them all */
    const float *weights; /* fitted planes */
    const float *guide;   /* three planes */
    float *plane;         /* ROOM planes to work in */
    float *ones;          /* the last of them: all 1 */
    int fitted;
    float epsilon, floor, low, high; /* the ridge, the least variance, and what share of it must be explained */
} Fit;

/* Several neighbouring values at once, wherever they lie. */
#if defined(__GNUC__) || defined(__clang__)
typedef float Lane __attribute__((vector_size(32), aligned(4), may_alias));
enum { LANES = 8 };
#else
typedef float Lane;
enum { LANES = 1 };
#endif

/* The next place in a row: the last few values come with some of those before them. */
#define NEXT(x, width) ((x) + 2 * LANES <= (width) || (x) + LANES >= (width) ? (x) + LANES : (width) - LANES)

/* Where `at` is found in a row of `count` that is mirrored at both ends, the ends themselves included. */
static int mirrored(int at, int count)
{
    while (at < 0 || at >= count) at = at < 0 ? -at - 1 : 2 * count - 1 - at;
    return at;
}

/* Sums over the window's rows, of the product of two planes, to `room`: rows with mirrored ends. */
INLINE void sum_rows(const float *restrict a, const float *restrict b, const Window *window)
{
    int width = window->width, radius = window->radius;
    for (int y = 0; y < window->height; y++) {
        float *restrict sums = window->room + (size_t)y * window->stride + radius;
        int within = y >= radius && y + radius < window->height;
        for (int x = 0; x < width; x = NEXT(x, width)) {
            Lane sum = {0};
            for (int k = -radius; k <= radius; k++) {
                size_t at = (size_t)(within ? y + k : mirrored(y + k, window->height)) * width + x;
                sum += *(const Lane *)(a + at) * *(const Lane *)(b + at);
            }
            *(Lane *)(sums + x) = sum;
        }
        for (int k = 1; k <= radius; k++) {
            sums[-k] = sums[mirrored(-k, width)];
            sums[width - 1 + k] = sums[mirrored(width - 1 + k, width)];
        }
    }
}

/* Means over the window of the product of two planes, which are at least NARROW wide. */
INLINE void window_mean(float *restrict out, const float *a, const float *b, const Window *window)
{
    int width = window->width, radius = window->radius;
    float side = (float)(2 * radius + 1), scale = 1 / (side * side);
    sum_rows(a, b, window); /* all of them first: what has just been written is slow to be read at another offset */
    for (int y = 0; y < window->height; y++) {
        const float *restrict sums = window->room + (size_t)y * window->stride;
        for (int x = 0; x < width; x = NEXT(x, width)) {
            Lane sum = {0};
            for (int k = 0; k <= 2 * radius; k++) sum += *(const Lane *)(sums + x + k);
            *(Lane *)(out + (size_t)y * width + x) = sum * scale;
        }
    }
}

/* From means of the colours and of their products: the inverse of the covariance plus the ridge, to the products' six
   planes rr, rg, rb, gg, gb, bb. In double precision: without colour in the picture the cofactors all but cancel. */
INLINE void invert(float *restrict p, const float *restrict m, size_t cells, double epsilon)
{
    for (size_t i = 0; i < cells; i++) {
        double r = m[i], g = m[i + cells], b = m[i + 2 * cells];
        double rr = p[i] - r * r + epsilon, rg = p[i + cells] - r * g, rb = p[i + 2 * cells] - r * b;
        double gg = p[i + 3 * cells] - g * g + epsilon, gb = p[i + 4 * cells] - g * b;
        double bb = p[i + 5 * cells] - b * b + epsilon;
        double i_rr = gg * bb - gb * gb, i_rg = gb * rb - rg * bb, i_rb = rg * gb - gg * rb;
        double scale = 1 / (rr * i_rr + rg * i_rg + rb * i_rb);
        p[i] = (float)(i_rr * scale), p[i + cells] = (float)(i_rg * scale), p[i + 2 * cells] = (float)(i_rb * scale);
        p[i + 3 * cells] = (float)((rr * bb - rb * rb) * scale);
        p[i + 4 * cells] = (float)((rb * rg - rr * gb) * scale);
        p[i + 5 * cells] = (float)((rr * gg - rg * rg) * scale);
    }
}

INLINE void invert_covariance(const Fit *fit, float *mean, float *inverse)
{
    static const int first[6] = {0, 0, 0, 1, 1, 2}, second[6] = {0, 1, 2, 1, 2, 2};
    size_t cells = (size_t)fit->window.height * fit->window.width;
    for (int c = 0; c < 3; c++) window_mean(mean + c * cells, fit->guide + c * cells, fit->ones, &fit->window);
    for (int k = 0; k < 6; k++)
        window_mean(inverse + k * cells, fit->guide + first[k] * cells, fit->guide + second[k] * cells, &fit->window);
    invert(inverse, mean, cells, fit->epsilon);
}

/* A weight's regression in every window. `line`: means of its products with r, g and b, of itself and of its square;
   becomes slopes and offset. What colour explains of its variance, and that variance, are added up. */
INLINE void solve(float *restrict line, const float *restrict m, const float *restrict p, float *restrict explained,
                  float *restrict variance, size_t cells)
{
    for (size_t i = 0; i < cells; i++) {
        float whole = line[i + 3 * cells], r = line[i] - m[i] * whole;
        float g = line[i + cells] - m[i + cells] * whole, b = line[i + 2 * cells] - m[i + 2 * cells] * whole;
        float s_r = p[i] * r + p[i + cells] * g + p[i + 2 * cells] * b;
        float s_g = p[i + cells] * r + p[i + 3 * cells] * g + p[i + 4 * cells] * b;
        float s_b = p[i + 2 * cells] * r + p[i + 4 * cells] * g + p[i + 5 * cells] * b;
        line[i] = s_r, line[i + cells] = s_g, line[i + 2 * cells] = s_b;
        line[i + 3 * cells] = whole - (s_r * m[i] + s_g * m[i + cells] + s_b * m[i + 2 * cells]);
        explained[i] += s_r * r + s_g * g + s_b * b;
        variance[i] += line[i + 4 * cells] - whole * whole;
    }
}

INLINE void regress(const Fit *fit, const float *weight, float *line)
{
    size_t cells = (size_t)fit->window.height * fit->window.width;
    for (int c = 0; c < 3; c++) window_mean(line + c * cells, fit->guide + c * cells, weight, &fit->window);
    window_mean(line + 3 * cells, weight, fit->ones, &fit->window);
    window_mean(line + 4 * cells, weight, weight, &fit->window);
}

INLINE void fit_all(const Fit *fit)
{
    size_t cells = (size_t)fit->window.height * fit->window.width;
    float *mean = fit->plane, *inverse = mean + 3 * cells, *line = mean + 9 * cells;
    float *explained = mean + 14 * cells, *variance = mean + 15 * cells;
    for (size_t i = 0; i < cells; i++) explained[i] = 0, variance[i] = fit->floor, fit->ones[i] = 1;
    invert_covariance(fit, mean, inverse);
    for (int k = 0; k < fit->fitted; k++) {
        regress(fit, fit->weights + k * cells, line);
        solve(line, mean, inverse, explained, variance, cells);
        for (int part = 0; part < PARTS; part++)
            window_mean(fit->out + (k * PARTS + part) * cells, line + part * cells, fit->ones, &fit->window);
    }
    for (size_t i = 0; i < cells; i++) explained[i] /= variance[i];
    float *share = fit->out + fit->fitted * PARTS * cells;
    window_mean(share, explained, fit->ones, &fit->window);
    for (size_t i = 0; i < cells; i++) share[i] = clipped((share[i] - fit->low) / (fit->high - fit->low));
}

/* ---- A picture on the coarse grid -------------------------------------------------------------------------------- */

typedef struct {
    Sizes sizes;          /* the picture's are whole multiples of the coarse ones */
    float *out;           /* three coarse planes */
    const float *picture; /* height * width * 3 */
    float *row;           /* room for width * 3 values */
} Shrink;

INLINE void shrink_all(const Shrink *shrink)
{
    Sizes sizes = shrink->sizes;
    int down = sizes.height / sizes.coarse_height, across = sizes.width / sizes.coarse_width;
    size_t cells = (size_t)sizes.coarse_height * sizes.coarse_width, wide = (size_t)sizes.width * 3;
    float *restrict sums = shrink->row, scale = 1 / (float)((double)down * across);
    for (int y = 0; y < sizes.coarse_height; y++) {
        const float *restrict line = shrink->picture + (size_t)y * down * wide;
        float *restrict out = shrink->out + (size_t)y * sizes.coarse_width;
        for (size_t x = 0; x < wide; x++) sums[x] = line[x];
        for (int k = 1; k < down; k++)
            for (size_t x = 0; x < wide; x++) sums[x] += line[k * wide + x];
        for (int x = 0; x < sizes.coarse_width; x++) {
            const float *cell = sums + (size_t)x * across * 3;
            float r = 0, g = 0, b = 0;
            for (int i = 0; i < across; i++) r += cell[3 * i], g += cell[3 * i + 1], b += cell[3 * i + 2];
            out[x] = r * scale, out[x + cells] = g * scale, out[x + 2 * cells] = b * scale;
        }
    }
}

/* ---- A mean of pictures ----------------------------------------------------------------------------------------- */

typedef struct {
    Sizes sizes;
    float *out;                   /* height * width * 3 */
    const unsigned char *picture; /* the same, 0..255 */
    const float *before;          /* the same, 0..1 */
} Mean;

/* Pixels x .. x + count of row y. */
INLINE void mean_run(const Mean *mean, const Grid *share, int y, int x, int count)
{
    size_t at = 3 * ((size_t)y * mean->sizes.width + x);
    const float *restrict before = mean->before + at;
    const unsigned char *restrict picture = mean->picture + at;
    float *restrict out = mean->out + at;
    float narrow[RUN], wide[3 * RUN];
    enlarge(narrow, share, 0, x);
    for (int j = 0; j < RUN; j++) wide[3 * j] = wide[3 * j + 1] = wide[3 * j + 2] = narrow[j];
    for (int i = 0; i < 3 * count; i++) out[i] = before[i] + ((float)picture[i] * (1 / 255.0f) - before[i]) * wide[i];
}

INLINE void mean_rows(const Mean *mean, Grid *share)
{
    int width = mean->sizes.width;
    for (int y = 0; y < mean->sizes.height; y++) {
        grid_row(share, y);
        for (int x = 0; x < width; x += RUN) mean_run(mean, share, y, x, width - x < RUN ? width - x : RUN);
    }
}

/* ---- How many frames a mean is worth ---------------------------------------------------------------------------- */

typedef struct {
    int height, width;
    float *share, *mean;                  /* the results of count: one by the frames, and the mean luma */
    float *difference;                    /* the result of differ */
    const unsigned char *luma;            /* 0..255 */
    const float *before, *shared, *still; /* the mean luma that was, its share, and 1 where nothing moves */
    float low, high, most;                /* differences that are noise and disagreement; frames at most */
    float *row;                           /* room for width + 2 values */
} Count;

/* |mean over 3 x 3 of luma - before|; beyond the ends the picture is mirrored about its outermost pixels. */
INLINE void differ_all(const Count *c)
{
    int width = c->width;
    float *restrict sums = c->row + 1;
    for (int y = 0; y < c->height; y++) {
        size_t here = (size_t)y * width;
        size_t up = (size_t)(y > 0 ? y - 1 : c->height > 1) * width;
        size_t down = (size_t)(y + 1 < c->height ? y + 1 : c->height > 1 ? y - 1 : 0) * width;
        const unsigned char *restrict luma = c->luma;
        const float *restrict before = c->before;
        float *restrict out = c->difference + here;
        for (int x = 0; x < width; x++)
            sums[x] = ((float)luma[up + x] - before[up + x]) + ((float)luma[here + x] - before[here + x]) +
                      ((float)luma[down + x] - before[down + x]);
        sums[-1] = sums[width > 1], sums[width] = sums[width > 1 ? width - 2 : 0];
        for (int x = 0; x < width; x++) {
            float sum = (sums[x - 1] + sums[x] + sums[x + 1]) * (1 / 9.0f);
            out[x] = sum > 0 ? sum : -sum;
        }
    }
}

INLINE float larger(float a, float b) { return a > b ? a : b; }

/* The largest difference near each pixel decides how much of what there was still counts. */
INLINE void count_all(const Count *c)
{
    int width = c->width;
    float *restrict largest = c->row + 1, high = c->high, scale = 1 / (high - c->low), others = c->most - 1;
    for (int y = 0; y < c->height; y++) {
        size_t here = (size_t)y * width;
        const float *restrict middle = c->difference + here;
        const float *restrict upper = y > 0 ? middle - width : middle;
        const float *restrict lower = y + 1 < c->height ? middle + width : middle;
        for (int x = 0; x < width; x++) largest[x] = larger(larger(upper[x], lower[x]), middle[x]);
        largest[-1] = largest[0], largest[width] = largest[width - 1];
        const unsigned char *restrict luma = c->luma + here;
        const float *restrict before = c->before + here, *restrict still = c->still + here;
        const float *restrict shared = c->shared + here;
        float *restrict share = c->share + here, *restrict mean = c->mean + here;
        for (int x = 0; x < width; x++) {
            float changed = larger(larger(largest[x - 1], largest[x + 1]), largest[x]);
            float frames = clipped((high - changed) * scale) * still[x] / shared[x];
            share[x] = 1 / ((frames < others ? frames : others) + 1);
        }
        for (int x = 0; x < width; x++) mean[x] = before[x] + share[x] * ((float)luma[x] - before[x]);
    }
}

/* ---- Flow at the edges of what is in front ------------------------------------------------------------------------ */

enum { FLOW_ROOM = 8, DEEP_RADIUS = 2 }; /* planes to work in; half the window within which all must be in front */

typedef struct {
    Window window;         /* its radius is that of the mean; there is room for DEEP_RADIUS too */
    float *out;            /* cells * 2 */
    const float *there;    /* cells: what is in front, 0..1 */
    const float *trust;    /* cells */
    const float *backward; /* cells * 2 */
    float *plane;          /* FLOW_ROOM planes to work in */
    float inside, few, deep;
} EdgeAlign;

INLINE void edge_align_all(const EdgeAlign *job)
{
    Window deep = job->window;
    size_t cells = (size_t)deep.height * deep.width;
    float *right = job->plane, *down = right + cells, *inside = down + cells, *ones = inside + cells;
    float *mean = ones + cells, *sums = mean + cells, few = job->few;
    const float *restrict there = job->there, *restrict trust = job->trust;
    for (size_t i = 0; i < cells; i++) right[i] = job->backward[2 * i], down[i] = job->backward[2 * i + 1];
    for (size_t i = 0; i < cells; i++)
        ones[i] = 1, inside[i] = clipped((there[i] - job->inside) / (1 - job->inside)) * trust[i];
    for (int k = 0; k < 3; k++) {
        window_mean(mean, k == 0 ? right : k == 1 ? down : ones, inside, &job->window);
        window_mean(sums + k * cells, mean, ones, &job->window);
    }
    deep.radius = DEEP_RADIUS, deep.stride = (size_t)deep.width + 2 * DEEP_RADIUS;
    window_mean(mean, there, ones, &deep);
    for (size_t i = 0; i < cells; i++) {
        float own = clipped((mean[i] - job->deep) / (1 - job->deep)), scale = 1 / (sums[i + 2 * cells] + few);
        float x = (sums[i] + few * right[i]) * scale, y = (sums[i + cells] + few * down[i]) * scale;
        job->out[2 * i] = x + (right[i] - x) * own, job->out[2 * i + 1] = y + (down[i] - y) * own;
    }
}

/* ---- Weights carried along a motion ------------------------------------------------------------------------------ */

enum { REGIONS = 4, TAPS = 4 }; /* as many as livestyle.frame.REGIONS */

typedef struct {
    int height, width;
    float *out;            /* height * width * REGIONS */
    const float *planes;   /* the same */
    const float *backward; /* height * width * 2: where to look, right and down from each pixel */
} Warp;

/* Along one axis, for a run of pixels: the first of the cells that count, and how much they do. */
typedef struct {
    int32_t first[RUN];
    float taps[TAPS][RUN];
} Along;

INLINE int clamped(int at, int count) { return at < 0 ? 0 : at < count ? at : count - 1; }

/* Keys' cubic convolution with a = -0.75 at `position`s; no further than two cells beyond the ends, where all is one. */
INLINE void place_taps(Along *restrict along, const float *restrict position, int count)
{
    const float a = -0.75f, end = (float)count + 1;
    for (int j = 0; j < RUN; j++) {
        float low = position[j] > -2 ? position[j] : -2, at = (low < end ? low : end) + 2;
        int32_t cell = (int32_t)at;
        float x = at - (float)cell, rest = 1 - x;
        along->first[j] = cell - 3;
        along->taps[0][j] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
        along->taps[1][j] = ((a + 2) * x - (a + 3)) * x * x + 1;
        along->taps[2][j] = ((a + 2) * rest - (a + 3)) * rest * rest + 1;
        along->taps[3][j] = 1 - along->taps[0][j] - along->taps[1][j] - along->taps[2][j];
    }
}

/* The regions of one pixel at once. */
#if defined(__GNUC__) || defined(__clang__)
typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));
#define FOURS 1
#else
typedef float Four;
#define FOURS REGIONS
#endif

/* The weights of one pixel of a run; what the cubic overshoots is clipped, and they sum to 1 again. */
INLINE void warp_pixel(float *restrict out, const Warp *warp, const Along *across, const Along *down, int j)
{
    size_t cell[TAPS];
    for (int i = 0; i < TAPS; i++) cell[i] = (size_t)clamped(across->first[j] + i, warp->width) * REGIONS;
    Four sum[FOURS] = {{0}};
    for (int k = 0; k < TAPS; k++) {
        const float *line = warp->planes + (size_t)clamped(down->first[j] + k, warp->height) * warp->width * REGIONS;
        for (int r = 0; r < FOURS; r++) {
            Four row = {0};
            for (int i = 0; i < TAPS; i++) row += across->taps[i][j] * ((const Four *)(line + cell[i]))[r];
            sum[r] += down->taps[k][j] * row;
        }
    }
    float weight[REGIONS], total = 0;
    memcpy(weight, sum, sizeof weight);
    for (int r = 0; r < REGIONS; r++) weight[r] = clipped(weight[r]);
    for (int r = 0; r < REGIONS; r++) total += weight[r];
    float scale = 1 / (total > 1e-6f ? total : 1e-6f);
    for (int r = 0; r < REGIONS; r++) out[r] = weight[r] * scale;
}

INLINE void warp_all(const Warp *warp)
{
    Along across, down;
    float right[RUN] = {0}, below[RUN] = {0};
    for (int y = 0; y < warp->height; y++)
        for (int x = 0; x < warp->width; x += RUN) {
            int count = warp->width - x < RUN ? warp->width - x : RUN;
            size_t at = (size_t)y * warp->width + x;
            for (int j = 0; j < count; j++) {
                right[j] = (float)(x + j) + warp->backward[2 * (at + j)];
                below[j] = (float)y + warp->backward[2 * (at + j) + 1];
            }
            place_taps(&across, right, warp->width);
            place_taps(&down, below, warp->height);
            for (int j = 0; j < count; j++) warp_pixel(warp->out + (at + j) * REGIONS, warp, &across, &down, j);
        }
}

/* ---- For the processor at hand ---------------------------------------------------------------------------------- */

static void refine_plain(const Job *job, Grid *all, Grid *fit) { refine_rows(job, all, fit); }
static void fit_plain(const Fit *fit) { fit_all(fit); }
static void mean_plain(const Mean *mean, Grid *share) { mean_rows(mean, share); }
static void shrink_plain(const Shrink *shrink) { shrink_all(shrink); }
static void differ_plain(const Count *count) { differ_all(count); }
static void count_plain(const Count *count) { count_all(count); }
static void edge_align_plain(const EdgeAlign *job) { edge_align_all(job); }
static void warp_plain(const Warp *warp) { warp_all(warp); }

#if HAVE_AVX2
static __attribute__((target("avx2"))) void refine_avx2(const Job *job, Grid *all, Grid *fit)
{
    refine_rows(job, all, fit);
}
static __attribute__((target("avx2"))) void fit_avx2(const Fit *fit) { fit_all(fit); }
static __attribute__((target("avx2"))) void mean_avx2(const Mean *mean, Grid *share) { mean_rows(mean, share); }
static __attribute__((target("avx2"))) void shrink_avx2(const Shrink *shrink) { shrink_all(shrink); }
static __attribute__((target("avx2"))) void differ_avx2(const Count *count) { differ_all(count); }
static __attribute__((target("avx2"))) void count_avx2(const Count *count) { count_all(count); }
static __attribute__((target("avx2"))) void edge_align_avx2(const EdgeAlign *job) { edge_align_all(job); }
static __attribute__((target("avx2"))) void warp_avx2(const Warp *warp) { warp_all(warp); }
static int has_avx2(void) { return __builtin_cpu_supports("avx2"); }
#else
#define refine_avx2 refine_plain
#define fit_avx2 fit_plain
#define mean_avx2 mean_plain
#define shrink_avx2 shrink_plain
#define differ_avx2 differ_plain
#define count_avx2 count_plain
#define edge_align_avx2 edge_align_plain
#define warp_avx2 warp_plain
static int has_avx2(void) { return 0; }
#endif

static int refine(const Job *job)
{
    Grid all = {0}, fit = {0};
    int opened = grid_open(&all, job->sizes, job->sharp, job->regions + job->fades) &&
                 grid_open(&fit, job->sizes, job->coefficients, job->fitted * PARTS + 1);
    if (opened) (has_avx2() ? refine_avx2 : refine_plain)(job, &all, &fit);
    grid_close(&all);
    grid_close(&fit);
    return opened;
}

/* Room for a window's sums, also for those of `radius` where that is larger, and for planes to work in: NULL if none. */
static float *window_open(Window *window, int radius, int planes)
{
    size_t height = (size_t)window->height, width = (size_t)window->width;
    float *plane = malloc(sizeof(float) * (size_t)planes * height * width);
    int widest = window->radius > radius ? window->radius : radius;
    window->stride = width + 2 * (size_t)window->radius;
    window->room = malloc(sizeof(float) * (width + 2 * (size_t)widest) * height);
    if (plane && window->room) return plane;
    free(plane);
    return NULL;
}

static int fit(Fit *fit)
{
    fit->plane = window_open(&fit->window, 0, ROOM);
    int opened = fit->plane != NULL;
    if (opened) {
        fit->ones = fit->plane + (ROOM - 1) * (size_t)fit->window.height * fit->window.width;
        (has_avx2() ? fit_avx2 : fit_plain)(fit);
    }
    free(fit->plane);
    free(fit->window.room);
    return opened;
}

static int mean(const Mean *mean, const float *planes)
{
    Grid share = {0};
    int opened = grid_open(&share, mean->sizes, planes, 1);
    if (opened) (has_avx2() ? mean_avx2 : mean_plain)(mean, &share);
    grid_close(&share);
    return opened;
}

static int shrink(Shrink *shrink)
{
    shrink->row = malloc(sizeof(float) * 3 * (size_t)shrink->sizes.width);
    int opened = shrink->row != NULL;
    if (opened) (has_avx2() ? shrink_avx2 : shrink_plain)(shrink);
    free(shrink->row);
    return opened;
}

static int with_row(Count *count, void (*work)(const Count *))
{
    count->row = malloc(sizeof(float) * ((size_t)count->width + 2));
    int opened = count->row != NULL;
    if (opened) work(count);
    free(count->row);
    return opened;
}

static int differ(Count *job) { return with_row(job, has_avx2() ? differ_avx2 : differ_plain); }

static int count(Count *job) { return with_row(job, has_avx2() ? count_avx2 : count_plain); }

static int edge_align(EdgeAlign *job)
{
    job->plane = window_open(&job->window, DEEP_RADIUS, FLOW_ROOM);
    int opened = job->plane != NULL;
    if (opened) (has_avx2() ? edge_align_avx2 : edge_align_plain)(job);
    free(job->plane);
    free(job->window.room);
    return opened;
}

static int warp(const Warp *warp)
{
    (has_avx2() ? warp_avx2 : warp_plain)(warp);
    return 1;
}

/* ---- Python ---------------------------------------------------------------------------------------------------- */

static int floats(const Py_buffer *buffer, Py_ssize_t count)
{
    Py_ssize_t size = (Py_ssize_t)sizeof(float); /* divided by, for the product may not fit into 32 bits */
    return buffer->len % size == 0 && buffer->len / size == count;
}

static int usable(Sizes sizes)
{
    return sizes.height >= 1 && sizes.height <= LARGEST && sizes.width >= 1 && sizes.width <= LARGEST &&
           sizes.coarse_height >= 1 && sizes.coarse_height <= LARGEST && sizes.coarse_width >= 1 &&
           sizes.coarse_width <= LARGEST;
}

/* Of work on one grid only. */
static Sizes one_size(int height, int width)
{
    Sizes sizes = {height, width, height, width};
    return sizes;
}

static Py_ssize_t pixels_of(Sizes sizes) { return (Py_ssize_t)sizes.height * sizes.width; }

static Py_ssize_t cells_of(Sizes sizes) { return (Py_ssize_t)sizes.coarse_height * sizes.coarse_width; }

/* Whether the numbers describe what the buffers hold, so that no index leaves them. */
static int agrees(const Job *job, const Py_buffer *weights, const Py_buffer *guide, const Py_buffer *sharp,
                  const Py_buffer *coefficients)
{
    if (job->regions < 1 || job->regions > MAX_REGIONS || job->fitted < 0 || job->fitted >= job->regions) return 0;
    if (!usable(job->sizes) || (job->fades != 0 && job->fades != 1)) return 0;
    if (job->top < 0 || job->bottom > job->sizes.height) return 0;
    if (job->left < 0 || job->left % RUN != 0 || job->right > job->sizes.width) return 0;
    return floats(weights, job->regions * pixels_of(job->sizes)) && floats(guide, 3 * pixels_of(job->sizes)) &&
           floats(sharp, (job->regions + job->fades) * cells_of(job->sizes)) &&
           floats(coefficients, (job->fitted * PARTS + 1) * cells_of(job->sizes));
}

static int read_regions(Job *job, PyObject *regions)
{
    Py_ssize_t count = PyTuple_Size(regions);
    if (count < 0 || count >= MAX_REGIONS) return 0;
    job->fitted = (int)count;
    for (Py_ssize_t k = 0; k < count; k++) {
        long region = PyLong_AsLong(PyTuple_GetItem(regions, k));
        if (region < 1 || region >= job->regions) return 0;
        job->region[k] = (int)region;
    }
    return 1;
}

static PyObject *finished(int agreed, int done)
{
    if (agreed) return done ? Py_NewRef(Py_None) : PyErr_NoMemory();
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "buffers do not have the lengths that the sizes ask for");
    return NULL;
}

static PyObject *py_refine(PyObject *module, PyObject *args)
{
    Job job = {0};
    Py_buffer weights = {0}, guide = {0}, sharp = {0}, coefficients = {0};
    PyObject *regions;
    int agreed, done = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*(iii)y*y*iO!y*(ii)(iiii)", &weights, &job.regions, &job.sizes.height,
                          &job.sizes.width, &guide, &sharp, &job.fades, &PyTuple_Type, &regions, &coefficients,
                          &job.sizes.coarse_height, &job.sizes.coarse_width, &job.top, &job.bottom, &job.left,
                          &job.right))
        return NULL;
    agreed = read_regions(&job, regions) && agrees(&job, &weights, &guide, &sharp, &coefficients);
    if (agreed) {
        job.weights = weights.buf;
        job.guide = guide.buf;
        job.sharp = sharp.buf;
        job.coefficients = coefficients.buf;
        Py_BEGIN_ALLOW_THREADS
        done = refine(&job);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&weights);
    PyBuffer_Release(&guide);
    PyBuffer_Release(&sharp);
    PyBuffer_Release(&coefficients);
    return finished(agreed, done);
}

static PyObject *py_fit(PyObject *module, PyObject *args)
{
    Fit job = {0};
    Py_buffer out = {0}, weights = {0}, guide = {0};
    int agreed, done = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*y*y*(iii)iffff", &out, &weights, &guide, &job.fitted, &job.window.height,
                          &job.window.width, &job.window.radius, &job.epsilon, &job.floor, &job.low, &job.high))
        return NULL;
    Sizes sizes = one_size(job.window.height, job.window.width);
    agreed = usable(sizes) && job.window.width >= NARROW && job.window.radius >= 0 && job.window.radius <= LARGEST &&
             job.fitted >= 0 && job.fitted < MAX_REGIONS && floats(&out, (job.fitted * PARTS + 1) * cells_of(sizes)) &&
             floats(&weights, job.fitted * cells_of(sizes)) && floats(&guide, 3 * cells_of(sizes));
    if (agreed) {
        job.out = out.buf;
        job.weights = weights.buf;
        job.guide = guide.buf;
        Py_BEGIN_ALLOW_THREADS
        done = fit(&job);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&out);
    PyBuffer_Release(&weights);
    PyBuffer_Release(&guide);
    return finished(agreed, done);
}

static PyObject *py_mean(PyObject *module, PyObject *args)
{
    Mean job = {0};
    Py_buffer out = {0}, picture = {0}, before = {0}, share = {0};
    int agreed, done = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*y*y*(ii)y*(ii)", &out, &picture, &before, &job.sizes.height, &job.sizes.width,
                          &share, &job.sizes.coarse_height, &job.sizes.coarse_width))
        return NULL;
    agreed = usable(job.sizes) && picture.len == 3 * pixels_of(job.sizes) && floats(&out, 3 * pixels_of(job.sizes)) &&
             floats(&before, 3 * pixels_of(job.sizes)) && floats(&share, cells_of(job.sizes));
    if (agreed) {
        job.out = out.buf;
        job.picture = picture.buf;
        job.before = before.buf;
        Py_BEGIN_ALLOW_THREADS
        done = mean(&job, share.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&out);
    PyBuffer_Release(&picture);
    PyBuffer_Release(&before);
    PyBuffer_Release(&share);
    return finished(agreed, done);
}

static PyObject *py_shrink(PyObject *module, PyObject *args)
{
    Shrink job = {0};
    Py_buffer out = {0}, picture = {0};
    int agreed, done = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*y*(ii)(ii)", &out, &picture, &job.sizes.height, &job.sizes.width,
                          &job.sizes.coarse_height, &job.sizes.coarse_width))
        return NULL;
    agreed = usable(job.sizes) && job.sizes.height % job.sizes.coarse_height == 0 &&
             job.sizes.width % job.sizes.coarse_width == 0 && floats(&out, 3 * cells_of(job.sizes)) &&
             floats(&picture, 3 * pixels_of(job.sizes));
    if (agreed) {
        job.out = out.buf, job.picture = picture.buf;
        Py_BEGIN_ALLOW_THREADS
        done = shrink(&job);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&out);
    PyBuffer_Release(&picture);
    return finished(agreed, done);
}

static PyObject *py_differ(PyObject *module, PyObject *args)
{
    Count job = {0};
    Py_buffer out = {0}, luma = {0}, before = {0};
    int agreed, done = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*y*y*(ii)", &out, &luma, &before, &job.height, &job.width)) return NULL;
    Sizes sizes = one_size(job.height, job.width);
    agreed = usable(sizes) && floats(&out, cells_of(sizes)) && luma.len == cells_of(sizes) &&
             floats(&before, cells_of(sizes));
    if (agreed) {
        job.difference = out.buf, job.luma = luma.buf, job.before = before.buf;
        Py_BEGIN_ALLOW_THREADS
        done = differ(&job);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&out);
    PyBuffer_Release(&luma);
    PyBuffer_Release(&before);
    return finished(agreed, done);
}

static PyObject *py_count(PyObject *module, PyObject *args)
{
    enum { SHARE, MEAN, LUMA, BEFORE, SHARED, DIFFERENCE, STILL, BUFFERS };
    Count job = {0};
    Py_buffer buffer[BUFFERS] = {{0}};
    int agreed, done = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*w*y*y*y*y*y*(ii)fff", &buffer[SHARE], &buffer[MEAN], &buffer[LUMA], &buffer[BEFORE],
                          &buffer[SHARED], &buffer[DIFFERENCE], &buffer[STILL], &job.height, &job.width, &job.low,
                          &job.high, &job.most))
        return NULL;
    Sizes sizes = one_size(job.height, job.width);
    agreed = usable(sizes) && job.low < job.high;
    for (int k = 0; k < BUFFERS; k++)
        agreed = agreed && (k == LUMA ? buffer[k].len == cells_of(sizes) : floats(&buffer[k], cells_of(sizes)));
    if (agreed) {
        job.share = buffer[SHARE].buf, job.mean = buffer[MEAN].buf, job.luma = buffer[LUMA].buf;
        job.before = buffer[BEFORE].buf, job.shared = buffer[SHARED].buf;
        job.difference = buffer[DIFFERENCE].buf, job.still = buffer[STILL].buf;
        Py_BEGIN_ALLOW_THREADS
        done = count(&job);
        Py_END_ALLOW_THREADS
    }
    for (int k = 0; k < BUFFERS; k++) PyBuffer_Release(&buffer[k]);
    return finished(agreed, done);
}

static PyObject *py_edge_align(PyObject *module, PyObject *args)
{
    EdgeAlign job = {0};
    Py_buffer out = {0}, there = {0}, trust = {0}, backward = {0};
    int agreed, done = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*y*y*y*(ii)ifff", &out, &there, &trust, &backward, &job.window.height,
                          &job.window.width, &job.window.radius, &job.inside, &job.few, &job.deep))
        return NULL;
    Sizes sizes = one_size(job.window.height, job.window.width);
    agreed = usable(sizes) && job.window.width >= NARROW && job.window.radius >= 0 && job.window.radius <= LARGEST &&
             floats(&out, 2 * cells_of(sizes)) && floats(&there, cells_of(sizes)) &&
             floats(&trust, cells_of(sizes)) && floats(&backward, 2 * cells_of(sizes));
    if (agreed) {
        job.out = out.buf, job.there = there.buf, job.trust = trust.buf, job.backward = backward.buf;
        Py_BEGIN_ALLOW_THREADS
        done = edge_align(&job);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&out);
    PyBuffer_Release(&there);
    PyBuffer_Release(&trust);
    PyBuffer_Release(&backward);
    return finished(agreed, done);
}

static PyObject *py_warp(PyObject *module, PyObject *args)
{
    Warp job = {0};
    Py_buffer out = {0}, planes = {0}, backward = {0};
    int agreed, done = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*y*(ii)y*", &out, &planes, &job.height, &job.width, &backward)) return NULL;
    Sizes sizes = one_size(job.height, job.width);
    agreed = usable(sizes) && floats(&out, REGIONS * cells_of(sizes)) && floats(&planes, REGIONS * cells_of(sizes)) &&
             floats(&backward, 2 * cells_of(sizes));
    if (agreed) {
        job.out = out.buf, job.planes = planes.buf, job.backward = backward.buf;
        Py_BEGIN_ALLOW_THREADS
        done = warp(&job);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&out);
    PyBuffer_Release(&planes);
    PyBuffer_Release(&backward);
    return finished(agreed, done);
}

static PyMethodDef methods[] = {
    {"refine", py_refine, METH_VARARGS,
     "refine(weights, (regions, height, width), guide, sharp, fades, fitted_regions, coefficients, (coarse_height, "
     "coarse_width), (top, bottom, left, right))\n\nWrite sharp, enlarged, and within the part what the coefficients "
     "(the last plane: how far) say of the guide, to weights; times sharp's last plane if it fades."},
    {"fit", py_fit, METH_VARARGS,
     "fit(out, weights, guide, (fitted, height, width), radius, epsilon, floor, low, high)\n\nFit the weights' planes "
     "to the guide's three; out gets the means of slopes and offset of each, then how far colour explains them."},
    {"mean", py_mean, METH_VARARGS,
     "mean(out, picture, before, (height, width), share, (coarse_height, coarse_width))\n\nWrite a picture that lies "
     "the share from before to picture / 255 to out."},
    {"shrink", py_shrink, METH_VARARGS,
     "shrink(out, picture, (height, width), (coarse_height, coarse_width))\n\nWrite the picture's three planes, means "
     "of what each coarse pixel covers, to out."},
    {"differ", py_differ, METH_VARARGS,
     "differ(out, luma, before, (height, width))\n\nWrite |mean over 3 x 3 of luma - before| to out."},
    {"count", py_count, METH_VARARGS,
     "count(share, mean, luma, before, shared, difference, still, (height, width), low, high, most)\n\nWrite the share "
     "of the newest frame, and with it the mean of luma and before; what differs by high, or is not still, is new."},
    {"edge_align", py_edge_align, METH_VARARGS,
     "edge_align(out, there, trust, backward, (height, width), radius, inside, few, deep)\n\nWrite backward, at the "
     "edges of what is there the mean of its inside, to out."},
    {"warp", py_warp, METH_VARARGS,
     "warp(out, planes, (height, width), backward)\n\nWrite the planes of four regions, which sum to 1, moved to where "
     "backward leads back from, by cubic convolution."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_masks", "What touches every pixel of masks, compiled.", 0, methods, slots,
    NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__masks(void) { return PyModuleDef_Init(&definition); }
