/* Applies the guided filter's coefficients to a picture: the part of livestyle.refine that touches every pixel.

   For the regions that were fitted, a weight is clip(slopes . rgb + offset); the first region gets what they leave; all
   are sharpened (cubes that sum to 1) and mixed into the weights at hand by how far colour explains them. Coefficients
   and that share lie on a coarse grid and are enlarged on the fly, with the geometry of cv2.INTER_LINEAR. Colour
   explains nothing away from edges, so most runs of pixels are left as they are. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>

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
    RUN = 32,
    MAX_REGIONS = 16,
    PARTS = 4,     /* slopes for r, g and b, and the offset */
    LARGEST = 4096 /* pixels of a side: all sizes in bytes then fit into 32 bits */
};

typedef struct {
    float *weights;            /* regions planes of height * width, changed in place */
    const float *guide;        /* height * width * 3 */
    const float *coefficients; /* fitted * PARTS planes of coarse_height * coarse_width */
    const float *explained;    /* coarse_height * coarse_width, 0..1 */
    int regions, height, width;
    int fitted, coarse_height, coarse_width;
    int region[MAX_REGIONS];   /* of each fitted one, which of the regions it is; never 0 */
    int top, bottom, left, right; /* the part that is worked on */
} Job;

/* Two neighbouring coarse rows of every plane (the last: explained), enlarged across to the picture's width. */
typedef struct {
    int32_t *column; /* per pixel of a row: left of the two coarse columns it lies between */
    float *share;    /* per pixel of a row: weight of the right one */
    float *rows[2];  /* (fitted * PARTS + 1) * width each */
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

static int grid_open(Grid *grid, const Job *job)
{
    size_t width = (size_t)job->width, planes = (size_t)job->fitted * PARTS + 1;
    grid->column = malloc(sizeof(int32_t) * width);
    grid->share = malloc(sizeof(float) * width);
    grid->rows[0] = malloc(sizeof(float) * planes * width);
    grid->rows[1] = malloc(sizeof(float) * planes * width);
    grid->row[0] = grid->row[1] = -1;
    if (!grid->column || !grid->share || !grid->rows[0] || !grid->rows[1]) return 0;
    for (int x = 0; x < job->width; x++) grid->share[x] = place(x, job->width, job->coarse_width, &grid->column[x]);
    return 1;
}

static void grid_close(Grid *grid)
{
    free(grid->column);
    free(grid->share);
    free(grid->rows[0]);
    free(grid->rows[1]);
}

INLINE void enlarge_across(float *restrict out, const float *restrict row, const Grid *grid, const Job *job)
{
    const int32_t *restrict column = grid->column;
    const float *restrict share = grid->share;
    int last = job->coarse_width - 1;
    for (int x = job->left; x < job->right; x++) {
        int at = column[x];
        float near = row[at], far = row[at < last ? at + 1 : last];
        out[x] = near + (far - near) * share[x];
    }
}

INLINE void fill(Grid *grid, const Job *job, int which, int row)
{
    int planes = job->fitted * PARTS;
    size_t cells = (size_t)job->coarse_height * job->coarse_width, start = (size_t)row * job->coarse_width;
    if (grid->row[which] == row) return;
    grid->row[which] = row;
    for (int k = 0; k <= planes; k++) {
        const float *plane = k < planes ? job->coefficients + k * cells : job->explained;
        enlarge_across(grid->rows[which] + (size_t)k * job->width, plane + start, grid, job);
    }
}

/* Makes the two coarse rows ready between which row y of the picture lies. */
INLINE void grid_row(Grid *grid, const Job *job, int y)
{
    int32_t low;
    grid->down = place(y, job->height, job->coarse_height, &low);
    if (grid->row[1] == low) {
        float *rows = grid->rows[0];
        grid->rows[0] = grid->rows[1], grid->rows[1] = rows;
        grid->row[1] = grid->row[0], grid->row[0] = low;
    }
    fill(grid, job, 0, low);
    fill(grid, job, 1, low + 1 < job->coarse_height ? low + 1 : low);
}

/* Pixels x .. x + count of a plane at the height of the row at hand. */
INLINE void enlarge_down(float *out, const Grid *grid, const Job *job, int plane, int x, int count)
{
    const float *upper = grid->rows[0] + (size_t)plane * job->width + x;
    const float *lower = grid->rows[1] + (size_t)plane * job->width + x;
    for (int j = 0; j < count; j++) out[j] = upper[j] + (lower[j] - upper[j]) * grid->down;
}

INLINE float clipped(float value)
{
    float low = value > 0 ? value : 0; /* two steps: what the vector instructions for minimum and maximum do */
    return low < 1 ? low : 1;
}

/* Weights were enlarged: rounding may have left a -1e-20. */
INLINE void leave_run(const Job *job, size_t at, size_t plane, int count)
{
    for (int r = 0; r < job->regions; r++) {
        float *weight = job->weights + r * plane + at;
        for (int j = 0; j < count; j++) weight[j] = weight[j] > 0 ? weight[j] : 0;
    }
}

/* Cubes of the weights that the coefficients give to pixels at .. at + count; `total` gets their sum. */
INLINE void fit_run(const Job *job, const Grid *grid, size_t at, int x, int count, float found[][RUN], float *total)
{
    float colour[3][RUN], part[RUN], fit[RUN], left[RUN];
    for (int c = 0; c < 3; c++)
        for (int j = 0; j < count; j++) colour[c][j] = job->guide[(at + j) * 3 + c];
    for (int j = 0; j < count; j++) left[j] = 1;
    for (int r = 1; r < job->regions; r++)
        for (int j = 0; j < count; j++) found[r][j] = 0;
    for (int k = 0; k < job->fitted; k++) {
        float *region = found[job->region[k]];
        enlarge_down(fit, grid, job, k * PARTS + 3, x, count);
        for (int c = 0; c < 3; c++) {
            enlarge_down(part, grid, job, k * PARTS + c, x, count);
            for (int j = 0; j < count; j++) fit[j] += part[j] * colour[c][j];
        }
        for (int j = 0; j < count; j++) {
            float value = clipped(fit[j]);
            region[j] = value * value * value;
            left[j] -= value;
        }
    }
    for (int j = 0; j < count; j++) {
        float rest = clipped(left[j]);
        found[0][j] = total[j] = rest * rest * rest;
    }
    for (int r = 1; r < job->regions; r++)
        for (int j = 0; j < count; j++) total[j] += found[r][j];
}

/* Pixels x .. x + count of row y; nothing new where colour explains nothing. */
INLINE void apply_run(const Job *job, const Grid *grid, int y, int x, int count)
{
    size_t plane = (size_t)job->height * job->width, at = (size_t)y * job->width + x;
    float share[RUN], total[RUN], found[MAX_REGIONS][RUN];
    int any = 0;
    enlarge_down(share, grid, job, job->fitted * PARTS, x, count);
    for (int j = 0; j < count; j++) any |= share[j] > 0;
    if (!any) {
        leave_run(job, at, plane, count);
        return;
    }
    fit_run(job, grid, at, x, count, found, total);
    for (int j = 0; j < count; j++) total[j] = 1 / (total[j] > 1e-6f ? total[j] : 1e-6f);
    for (int r = 0; r < job->regions; r++) {
        float *weight = job->weights + r * plane + at;
        for (int j = 0; j < count; j++) {
            float mixed = weight[j] + share[j] * (found[r][j] * total[j] - weight[j]);
            weight[j] = mixed > 0 ? mixed : 0;
        }
    }
}

INLINE void apply_rows(const Job *job, Grid *grid)
{
    for (int y = job->top; y < job->bottom; y++) {
        grid_row(grid, job, y);
        int x = job->left;
        for (; x + RUN <= job->right; x += RUN) apply_run(job, grid, y, x, RUN);
        if (x < job->right) apply_run(job, grid, y, x, job->right - x);
    }
}

static void rows_plain(const Job *job, Grid *grid) { apply_rows(job, grid); }

#if HAVE_AVX2
static __attribute__((target("avx2"))) void rows_avx2(const Job *job, Grid *grid) { apply_rows(job, grid); }
#endif

static int apply(const Job *job)
{
    Grid grid = {0};
    int opened = grid_open(&grid, job);
    if (opened) {
#if HAVE_AVX2
        if (__builtin_cpu_supports("avx2")) rows_avx2(job, &grid);
        else rows_plain(job, &grid);
#else
        rows_plain(job, &grid);
#endif
    }
    grid_close(&grid);
    return opened;
}

/* ---- Python ---------------------------------------------------------------------------------------------------- */

static int floats(const Py_buffer *buffer, Py_ssize_t count) { return buffer->len == count * (Py_ssize_t)sizeof(float); }

/* Whether the numbers describe what the buffers hold, so that no index leaves them. */
static int agrees(const Job *job, const Py_buffer *weights, const Py_buffer *guide, const Py_buffer *coefficients,
                  const Py_buffer *explained)
{
    if (job->regions < 1 || job->regions > MAX_REGIONS || job->fitted < 0 || job->fitted >= job->regions) return 0;
    if (job->height < 1 || job->width < 1 || job->coarse_height < 1 || job->coarse_width < 1) return 0;
    if (job->height > LARGEST || job->width > LARGEST) return 0;
    if (job->coarse_height > LARGEST || job->coarse_width > LARGEST) return 0;
    if (job->top < 0 || job->left < 0 || job->bottom > job->height || job->right > job->width) return 0;
    Py_ssize_t pixels = (Py_ssize_t)job->height * job->width, cells = (Py_ssize_t)job->coarse_height * job->coarse_width;
    return floats(weights, job->regions * pixels) && floats(guide, 3 * pixels) &&
           floats(coefficients, job->fitted * PARTS * cells) && floats(explained, cells);
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

static PyObject *py_apply(PyObject *module, PyObject *args)
{
    Job job = {0};
    Py_buffer weights = {0}, guide = {0}, coefficients = {0}, explained = {0};
    PyObject *regions, *result = NULL;
    int done = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*(iii)y*O!y*y*(ii)(iiii)", &weights, &job.regions, &job.height, &job.width, &guide,
                          &PyTuple_Type, &regions, &coefficients, &explained, &job.coarse_height, &job.coarse_width,
                          &job.top, &job.bottom, &job.left, &job.right))
        return NULL;
    if (!read_regions(&job, regions) || !agrees(&job, &weights, &guide, &coefficients, &explained)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "buffers do not have the lengths that the sizes ask for");
    } else {
        job.weights = weights.buf;
        job.guide = guide.buf;
        job.coefficients = coefficients.buf;
        job.explained = explained.buf;
        Py_BEGIN_ALLOW_THREADS
        done = apply(&job);
        Py_END_ALLOW_THREADS
        result = done ? Py_NewRef(Py_None) : PyErr_NoMemory();
    }
    PyBuffer_Release(&weights);
    PyBuffer_Release(&guide);
    PyBuffer_Release(&coefficients);
    PyBuffer_Release(&explained);
    return result;
}

static PyMethodDef methods[] = {
    {"apply", py_apply, METH_VARARGS,
     "apply(weights, (regions, height, width), guide, fitted_regions, coefficients, explained, (coarse_height, "
     "coarse_width), (top, bottom, left, right))\n\nMix what the coefficients say of the guide into weights, in place."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_refine", "The guided filter's last step, compiled.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__refine(void) { return PyModuleDef_Init(&definition); }
