/* The colour pass over rows of a picture: look-up, blend by the enlarged mask, write.

   Everything is fixed point, so each variant (plain C, AVX2, AVX-512) gives the same bits.

   - A lattice point is four int16: the LUT's red, green and blue minus the point's own coordinates, and a 0. One 64-bit
     load fetches a whole colour. Differences instead of values make a weight of 0 leave the pixel alone exactly:
     the identity is linear, so interpolating the difference is the difference of the interpolation.
     1.0 is 32767, or 16383.5 when `doubled` (LUTs that leave 0..1).
   - Interpolation weights are Q14 and sum to exactly 16384; mask weights run 0..32767; their bilinear weights are Q14.
   - `rounded_product(a, b)` = (a * b + 2^14) >> 15 is what x86 calls pmulhrsw and ARM sqrdmulh.

   Pixels are worked on in runs of 32: long enough that the processor overlaps the look-ups of a run, short enough that
   a LUT is often skipped, which it is where its weights over a run are all 0. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#define HAVE_X86_VARIANTS 1
#include <immintrin.h>
#define INLINE static inline __attribute__((always_inline))
#else
#define HAVE_X86_VARIANTS 0
#define INLINE static inline
#endif

enum { RUN = 32, MAX_LUTS = 8, ONE = 16384 };
enum { LARGEST = 1 << 28 }; /* pixels of a side: the bytes of a picture then fit into 64 bits */
enum variant { BEST = -1, PLAIN, AVX2, AVX512, VARIANTS };

typedef struct {
    const int16_t *points; /* size^3 * 4 */
    int size;
} Lattice;

typedef struct {
    const void *pixels; /* rows of width * 3 samples */
    void *out;
    int width, height;
    int depth; /* 8 or 16 bits a sample */
    const uint16_t *masks; /* luts planes of mask_height * mask_width, 0..32767 */
    int mask_width, mask_height;
    Lattice lattices[MAX_LUTS];
    int luts;
    int doubled;
    int first, last; /* rows first <= y < last are done */
} Job;

typedef struct {
    int32_t *column;      /* per pixel of a row: left of the two mask columns it lies between */
    uint32_t *share;      /* per pixel of a row: Q14 weights of the two, low half the left one */
    uint32_t *rows;       /* luts rows of mask_width pairs: low half this column's weight, high half the next one's */
} Mask;

/* Where the pixels of a run lie in a lattice: four corners of a tetrahedron each, and their weights in pairs. */
typedef struct {
    uint32_t lowest[RUN], second[RUN], third[RUN];
    uint32_t near_weights[RUN]; /* Q14: low half of `lowest`, high half of `second` */
    uint32_t far_weights[RUN];  /* Q14: low half of `third`, high half of the highest corner */
} Corners;

/* ---- mask ------------------------------------------------------------------------------------------------------ */

/* The geometry of cv2.INTER_LINEAR: pixel centres aligned, edges clamped. Returns the Q14 weight of the right
   neighbour. */
static uint32_t place(int at, int large, int small, int32_t *left)
{
    double position = (at + 0.5) * small / large - 0.5;
    if (position <= 0) { *left = 0; return 0; }
    if (position >= small - 1) { *left = small - 1; return 0; }
    *left = (int32_t)position;
    return (uint32_t)floor((position - *left) * ONE + 0.5);
}

static int mask_open(Mask *mask, const Job *job)
{
    mask->column = malloc(sizeof(int32_t) * (size_t)job->width);
    mask->share = malloc(sizeof(uint32_t) * (size_t)job->width);
    mask->rows = malloc(sizeof(uint32_t) * (size_t)job->mask_width * (size_t)job->luts);
    if (!mask->column || !mask->share || !mask->rows) return 0;
    for (int x = 0; x < job->width; x++) {
        uint32_t right = place(x, job->width, job->mask_width, &mask->column[x]);
        mask->share[x] = (ONE - right) | right << 16;
    }
    return 1;
}

static void mask_close(Mask *mask)
{
    free(mask->column);
    free(mask->share);
    free(mask->rows);
}

/* Enlarge the masks downwards: the weights of each mask column at row y, next to those of the column after it. */
static void mask_row(Mask *mask, const Job *job, int y)
{
    int32_t top;
    int32_t below = (int32_t)place(y, job->height, job->mask_height, &top), above = ONE - below;
    int bottom = top + 1 < job->mask_height ? top + 1 : top, width = job->mask_width;
    for (int lut = 0; lut < job->luts; lut++) {
        const uint16_t *plane = job->masks + (size_t)lut * (size_t)width * (size_t)job->mask_height;
        const uint16_t *upper = plane + (size_t)top * width, *lower = plane + (size_t)bottom * width;
        uint32_t *pairs = mask->rows + (size_t)lut * width;
        for (int x = 0; x < width; x++) pairs[x] = (uint32_t)(upper[x] * above + lower[x] * below + ONE / 2) >> 14;
        for (int x = 0; x + 1 < width; x++) pairs[x] |= pairs[x + 1] << 16;
        pairs[width - 1] |= pairs[width - 1] << 16;
    }
}

/* Weights of pixels x .. x + count, enlarged sideways; 0 when all of them are 0. */
INLINE int mask_run(const Mask *mask, const uint32_t *pairs, int x, int count, int16_t *weights)
{
    const int32_t *column = mask->column + x;
    const uint32_t *share = mask->share + x;
    uint32_t any = 0, all = UINT32_MAX, picked[RUN] = {0};
    for (int at = column[0]; at <= column[count - 1]; at++) {
        any |= pairs[at];
        all &= pairs[at];
    }
    if (!any) return 0;
    if (any == all && any >> 16 == (any & 0xffff)) { /* most runs lie inside one region: nothing to enlarge */
        for (int j = 0; j < RUN; j++) weights[j] = (int16_t)(any >> 16);
        return 1;
    }
    for (int j = 0; j < count; j++) picked[j] = pairs[column[j]];
    for (int j = 0; j < count; j++) {
        uint32_t sum = (picked[j] & 0xffff) * (share[j] & 0xffff) + (picked[j] >> 16) * (share[j] >> 16);
        weights[j] = (int16_t)((sum + ONE / 2) >> 14);
    }
    return 1;
}

/* ---- where the pixels lie in the lattice ------------------------------------------------------------------------- */

/* Fraction and stride of each axis packed into one sortable number: sorting the three fractions sorts the strides. */
INLINE void sort_corners(Corners *corners, const uint32_t *red, const uint32_t *green, const uint32_t *blue)
{
    for (int j = 0; j < RUN; j++) {
        uint32_t r = red[j], g = green[j], b = blue[j];
        uint32_t high = r > g ? r : g, low = r > g ? g : r;
        uint32_t largest = high > b ? high : b, smallest = low < b ? low : b;
        uint32_t middle = r ^ g ^ b ^ largest ^ smallest;
        uint32_t f1 = largest >> 15, f2 = middle >> 15, f3 = smallest >> 15;
        corners->second[j] = corners->lowest[j] + (largest & 0x7fff);
        corners->third[j] = corners->second[j] + (middle & 0x7fff);
        corners->near_weights[j] = (ONE - f1) | (f1 - f2) << 16;
        corners->far_weights[j] = (f2 - f3) | f3 << 16;
    }
}

/* c * (size - 1) / 255 split into the cell and, in Q14, the place in it. (x + 1 + (x >> 8)) >> 8 is x / 255 here. */
INLINE uint32_t cell8(uint32_t sample, uint32_t size, uint32_t stride, uint32_t *key)
{
    uint32_t scaled = sample * (size - 1), cell = (scaled + 1 + (scaled >> 8)) >> 8;
    cell = cell < size - 2 ? cell : size - 2;
    uint32_t rest = scaled - cell * 255;
    *key = ((rest << 6) + ((rest + 2) >> 2)) << 15 | stride;
    return cell * stride;
}

INLINE uint32_t cell16(uint32_t sample, uint32_t size, uint32_t stride, uint32_t *key)
{
    uint32_t scaled = sample * (size - 1), cell = (scaled + 1 + (scaled >> 16)) >> 16;
    cell = cell < size - 2 ? cell : size - 2;
    uint32_t rest = scaled - cell * 65535;
    *key = ((rest + 2) >> 2) << 15 | stride;
    return cell * stride;
}

INLINE void locate8_plain(Corners *corners, const uint8_t *rgb, int size)
{
    uint32_t red[RUN], green[RUN], blue[RUN], n = (uint32_t)size;
    for (int j = 0; j < RUN; j++)
        corners->lowest[j] = cell8(rgb[3 * j], n, n * n, &red[j]) + cell8(rgb[3 * j + 1], n, n, &green[j])
                             + cell8(rgb[3 * j + 2], n, 1, &blue[j]);
    sort_corners(corners, red, green, blue);
}

INLINE void locate16(Corners *corners, const uint16_t *rgb, int size)
{
    uint32_t red[RUN], green[RUN], blue[RUN], n = (uint32_t)size;
    for (int j = 0; j < RUN; j++)
        corners->lowest[j] = cell16(rgb[3 * j], n, n * n, &red[j]) + cell16(rgb[3 * j + 1], n, n, &green[j])
                             + cell16(rgb[3 * j + 2], n, 1, &blue[j]);
    sort_corners(corners, red, green, blue);
}

/* ---- plain C ---------------------------------------------------------------------------------------------------- */

INLINE int rounded_product(int a, int b) { return (a * b + ONE) >> 15; }
INLINE int saturated(int value) { return value > 32767 ? 32767 : value < -32768 ? -32768 : value; }

/* Add weight * (look - in) of a run to `change`, four int16 a pixel. */
INLINE void blend_plain(int16_t *change, const Corners *corners, const Lattice *lattice, const int16_t *weights)
{
    uint32_t to_highest = (uint32_t)(lattice->size * lattice->size + lattice->size + 1);
    for (int j = 0; j < RUN; j++) {
        const int16_t *p0 = lattice->points + 4 * (size_t)corners->lowest[j], *p3 = p0 + 4 * (size_t)to_highest;
        const int16_t *p1 = lattice->points + 4 * (size_t)corners->second[j];
        const int16_t *p2 = lattice->points + 4 * (size_t)corners->third[j];
        int w0 = (int)(corners->near_weights[j] & 0xffff), w1 = (int)(corners->near_weights[j] >> 16);
        int w2 = (int)(corners->far_weights[j] & 0xffff), w3 = (int)(corners->far_weights[j] >> 16);
        for (int c = 0; c < 3; c++) {
            int looked_up = (w0 * p0[c] + w1 * p1[c] + w2 * p2[c] + w3 * p3[c] + ONE / 2) >> 14;
            change[4 * j + c] = (int16_t)saturated(change[4 * j + c] + rounded_product(looked_up, weights[j]));
        }
    }
}

INLINE void write8_plain(uint8_t *out, const uint8_t *in, const int16_t *change, int doubled)
{
    for (int j = 0; j < RUN; j++)
        for (int c = 0; c < 3; c++) {
            int value = in[3 * j + c] + rounded_product(change[4 * j + c], 255 << doubled);
            out[3 * j + c] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
        }
}

/* 65535 / 32767 / (32767 / 32768), the unit of `change` times that of a weight of 1, is 2 + 3 / 32768. */
INLINE void write16_plain(uint16_t *out, const uint16_t *in, const int16_t *change, int doubled)
{
    for (int j = 0; j < RUN; j++)
        for (int c = 0; c < 3; c++) {
            int by = change[4 * j + c];
            int value = in[3 * j + c] + ((2 * by + rounded_product(by, 3)) * (1 << doubled));
            out[3 * j + c] = (uint16_t)(value < 0 ? 0 : value > 65535 ? 65535 : value);
        }
}

/* ---- the loop over rows ------------------------------------------------------------------------------------------ */

typedef void (*Locate8)(Corners *, const uint8_t *, int);
typedef void (*Blend)(int16_t *, const Corners *, const Lattice *, const int16_t *);
typedef void (*Write8)(uint8_t *, const uint8_t *, const int16_t *, int);

INLINE void write_run(const Job *job, Write8 write8, void *out, const void *in, const int16_t *change)
{
    if (job->depth == 8) write8(out, in, change, job->doubled);
    else write16_plain(out, in, change, job->doubled);
}

/* `in` and `out` hold a whole run; `count` of them are in the picture, so their weights exist. */
INLINE void grade_run(const Job *job, const Mask *mask, int x, int count, const void *in, void *out,
                      Locate8 locate8, Blend blend, Write8 write8)
{
    int16_t change[RUN * 4], weights[RUN] = {0};
    Corners corners;
    int located = 0; /* the lattice size `corners` was made for */
    for (int lut = 0; lut < job->luts; lut++) {
        const Lattice *lattice = &job->lattices[lut];
        if (!mask_run(mask, mask->rows + (size_t)lut * job->mask_width, x, count, weights)) continue;
        if (!located) memset(change, 0, sizeof change);
        if (located != lattice->size) {
            if (job->depth == 8) locate8(&corners, in, lattice->size);
            else locate16(&corners, in, lattice->size);
            located = lattice->size;
        }
        blend(change, &corners, lattice, weights);
    }
    if (located) write_run(job, write8, out, in, change);
    else memcpy(out, in, (size_t)(RUN * 3 * job->depth / 8));
}

/* The end of a row, less than a run: worked on in a copy so that nothing beyond the row is touched. */
INLINE void grade_rest(const Job *job, const Mask *mask, int x, int count, const void *in, void *out,
                       Locate8 locate8, Blend blend, Write8 write8)
{
    uint16_t from[RUN * 3] = {0}, to[RUN * 3];
    size_t bytes = (size_t)(count * 3 * job->depth / 8);
    memcpy(from, in, bytes);
    grade_run(job, mask, x, count, from, to, locate8, blend, write8);
    memcpy(out, to, bytes);
}

INLINE void grade_rows(const Job *job, Mask *mask, Locate8 locate8, Blend blend, Write8 write8)
{
    size_t pixel = (size_t)(3 * job->depth / 8), row = pixel * (size_t)job->width;
    for (int y = job->first; y < job->last; y++) {
        const char *in = (const char *)job->pixels + row * (size_t)y;
        char *out = (char *)job->out + row * (size_t)y;
        int x = 0;
        mask_row(mask, job, y);
        for (; x + RUN <= job->width; x += RUN)
            grade_run(job, mask, x, RUN, in + pixel * (size_t)x, out + pixel * (size_t)x, locate8, blend, write8);
        if (x < job->width)
            grade_rest(job, mask, x, job->width - x, in + pixel * (size_t)x, out + pixel * (size_t)x, locate8, blend,
                       write8);
    }
}

static void rows_plain(const Job *job, Mask *mask) { grade_rows(job, mask, locate8_plain, blend_plain, write8_plain); }

/* ---- AVX2, AVX-512 ----------------------------------------------------------------------------------------------- */

#if HAVE_X86_VARIANTS

#define FOR_AVX2 __attribute__((target("avx2,bmi2")))
#define INLINE_AVX2 static inline FOR_AVX2 __attribute__((always_inline))
#define FOR_AVX512 __attribute__((target("avx2,bmi2,avx512f,avx512bw,avx512vl,avx512dq")))

/* One channel of 16 pixels from 48 bytes, as 16-bit lanes in the order 0-3, 8-11, 4-7, 12-15: unpacking the low halves
   of the two 128-bit lanes, as AVX2 does, then gives pixels 0-7 and the high halves 8-15. */
INLINE_AVX2 __m256i channel8(const uint8_t *rgb, int channel)
{
    const __m128i order = _mm_setr_epi8(0, 3, 6, 9, 24, 27, 30, 33, 12, 15, 18, 21, 36, 39, 42, 45);
    __m128i at = _mm_add_epi8(order, _mm_set1_epi8((char)channel)), bytes = _mm_setzero_si128();
    for (int part = 0; part < 3; part++) {
        /* pshufb writes 0 where bit 7 is set: saturation sets it for every index above 15 ... */
        __m128i index = _mm_adds_epu8(_mm_sub_epi8(at, _mm_set1_epi8((char)(16 * part))), _mm_set1_epi8(112));
        __m128i loaded = _mm_loadu_si128((const __m128i *)(rgb + 16 * part));
        bytes = _mm_or_si128(bytes, _mm_shuffle_epi8(loaded, index)); /* ... and the low four bits stay */
    }
    return _mm256_cvtepu8_epi16(bytes);
}

/* cell8 in 16-bit lanes; the key is the place in the cell, 0..255, times 128, and the number of the axis. */
INLINE_AVX2 __m256i cells8(__m256i samples, int size, int axis, __m256i *key)
{
    __m256i scaled = _mm256_mullo_epi16(samples, _mm256_set1_epi16((int16_t)(size - 1)));
    __m256i sum = _mm256_add_epi16(_mm256_add_epi16(scaled, _mm256_set1_epi16(1)), _mm256_srli_epi16(scaled, 8));
    __m256i cell = _mm256_min_epi16(_mm256_srli_epi16(sum, 8), _mm256_set1_epi16((int16_t)(size - 2)));
    __m256i rest = _mm256_add_epi16(_mm256_sub_epi16(scaled, _mm256_slli_epi16(cell, 8)), cell);
    *key = _mm256_or_si256(_mm256_slli_epi16(rest, 7), _mm256_set1_epi16((int16_t)axis));
    return cell;
}

/* round(place * 16384 / 255), as cell8 has it */
INLINE_AVX2 __m256i fraction(__m256i key)
{
    return _mm256_mulhrs_epi16(_mm256_and_si256(key, _mm256_set1_epi16(~127)), _mm256_set1_epi16(16448));
}

INLINE_AVX2 __m256i stride(__m256i key, __m256i strides)
{
    __m256i axis = _mm256_and_si256(key, _mm256_set1_epi16(127));
    __m256i bytes = _mm256_add_epi16(_mm256_mullo_epi16(axis, _mm256_set1_epi16(0x202)), _mm256_set1_epi16(0x100));
    return _mm256_shuffle_epi8(strides, bytes);
}

/* Two 16-bit numbers of each pixel side by side, in the pixels' order. */
INLINE_AVX2 void store_pairs(uint32_t *to, __m256i low, __m256i high)
{
    _mm256_storeu_si256((__m256i *)to, _mm256_unpacklo_epi16(low, high));
    _mm256_storeu_si256((__m256i *)(to + 8), _mm256_unpackhi_epi16(low, high));
}

INLINE_AVX2 void store_corners(Corners *corners, int j, const __m256i *cell, __m256i step1, __m256i step2, int size)
{
    const __m256i zero = _mm256_setzero_si256(), factors = _mm256_set1_epi32(size * size | size << 16);
    __m256i low = _mm256_madd_epi16(_mm256_unpacklo_epi16(cell[0], cell[1]), factors);
    __m256i high = _mm256_madd_epi16(_mm256_unpackhi_epi16(cell[0], cell[1]), factors);
    low = _mm256_add_epi32(low, _mm256_unpacklo_epi16(cell[2], zero));
    high = _mm256_add_epi32(high, _mm256_unpackhi_epi16(cell[2], zero));
    _mm256_storeu_si256((__m256i *)(corners->lowest + j), low);
    _mm256_storeu_si256((__m256i *)(corners->lowest + j + 8), high);
    low = _mm256_add_epi32(low, _mm256_unpacklo_epi16(step1, zero));
    high = _mm256_add_epi32(high, _mm256_unpackhi_epi16(step1, zero));
    _mm256_storeu_si256((__m256i *)(corners->second + j), low);
    _mm256_storeu_si256((__m256i *)(corners->second + j + 8), high);
    low = _mm256_add_epi32(low, _mm256_unpacklo_epi16(step2, zero));
    high = _mm256_add_epi32(high, _mm256_unpackhi_epi16(step2, zero));
    _mm256_storeu_si256((__m256i *)(corners->third + j), low);
    _mm256_storeu_si256((__m256i *)(corners->third + j + 8), high);
}

INLINE_AVX2 void locate8_avx2(Corners *corners, const uint8_t *rgb, int size)
{
    const __m256i strides = _mm256_set1_epi64x((int64_t)size * size | (int64_t)size << 16 | (int64_t)1 << 32);
    for (int j = 0; j < RUN; j += 16) {
        __m256i key[3], cell[3];
        for (int axis = 0; axis < 3; axis++)
            cell[axis] = cells8(channel8(rgb + 3 * j, axis), size, axis, &key[axis]);
        __m256i high = _mm256_max_epi16(key[0], key[1]), low = _mm256_min_epi16(key[0], key[1]);
        __m256i largest = _mm256_max_epi16(high, key[2]), smallest = _mm256_min_epi16(low, key[2]);
        __m256i middle = _mm256_max_epi16(low, _mm256_min_epi16(high, key[2]));
        __m256i f1 = fraction(largest), f2 = fraction(middle), f3 = fraction(smallest);
        store_pairs(corners->near_weights + j, _mm256_sub_epi16(_mm256_set1_epi16(ONE), f1), _mm256_sub_epi16(f1, f2));
        store_pairs(corners->far_weights + j, _mm256_sub_epi16(f2, f3), f3);
        store_corners(corners, j, cell, stride(largest, strides), stride(middle, strides), size);
    }
}

INLINE_AVX2 __m256i four_points(const int16_t *points, const uint32_t *at)
{
    __m128i low = _mm_loadl_epi64((const __m128i *)(points + 4 * (size_t)at[0]));
    __m128i high = _mm_loadl_epi64((const __m128i *)(points + 4 * (size_t)at[2]));
    low = _mm_castps_si128(_mm_loadh_pi(_mm_castsi128_ps(low), (const __m64 *)(points + 4 * (size_t)at[1])));
    high = _mm_castps_si128(_mm_loadh_pi(_mm_castsi128_ps(high), (const __m64 *)(points + 4 * (size_t)at[3])));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

/* Two corners of four pixels, weighted and added: pixels 0 and 2 in *even, 1 and 3 in *odd, four int32 each. */
INLINE_AVX2 void weigh(__m256i a, __m256i b, const uint32_t *weights, __m256i *even,
                       __m256i *odd)
{
    __m256i pairs = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)weights));
    __m256i of_even = _mm256_permutevar8x32_epi32(pairs, _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2));
    __m256i of_odd = _mm256_permutevar8x32_epi32(pairs, _mm256_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3));
    *even = _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), of_even);
    *odd = _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), of_odd);
}

INLINE_AVX2 void blend_avx2(int16_t *change, const Corners *corners,
                            const Lattice *lattice, const int16_t *weights)
{
    const __m256i half = _mm256_set1_epi32(ONE / 2);
    const __m256i spread = _mm256_setr_epi8(0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3,
                                            4, 5, 4, 5, 4, 5, 4, 5, 6, 7, 6, 7, 6, 7, 6, 7);
    const int16_t *highest = lattice->points + 4 * (size_t)(lattice->size * lattice->size + lattice->size + 1);
    for (int j = 0; j < RUN; j += 4) {
        __m256i even, odd, even_far, odd_far, *sum = (__m256i *)(change + 4 * j);
        weigh(four_points(lattice->points, corners->lowest + j), four_points(lattice->points, corners->second + j),
              corners->near_weights + j, &even, &odd);
        weigh(four_points(lattice->points, corners->third + j), four_points(highest, corners->lowest + j),
              corners->far_weights + j, &even_far, &odd_far);
        even = _mm256_srai_epi32(_mm256_add_epi32(_mm256_add_epi32(even, even_far), half), 14);
        odd = _mm256_srai_epi32(_mm256_add_epi32(_mm256_add_epi32(odd, odd_far), half), 14);
        __m256i share = _mm256_broadcastq_epi64(_mm_loadl_epi64((const __m128i *)(weights + j)));
        share = _mm256_mulhrs_epi16(_mm256_packs_epi32(even, odd), _mm256_shuffle_epi8(share, spread));
        _mm256_storeu_si256(sum, _mm256_adds_epi16(_mm256_loadu_si256(sum), share));
    }
}

/* Four pixels of three bytes <-> four bytes, 16 pixels at a time; the last of four groups is shifted so that nothing
   beyond their 48 bytes is touched. */
INLINE_AVX2 __m128i changed4(__m128i bytes, const int16_t *change, __m256i scale)
{
    const __m128i widen = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
    const __m128i narrow = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    __m256i by = _mm256_mulhrs_epi16(_mm256_loadu_si256((const __m256i *)change), scale);
    __m256i sum = _mm256_adds_epi16(_mm256_cvtepu8_epi16(_mm_shuffle_epi8(bytes, widen)), by);
    __m128i packed = _mm_packus_epi16(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    return _mm_shuffle_epi8(packed, narrow);
}

INLINE_AVX2 void write8_avx2(uint8_t *out, const uint8_t *in, const int16_t *change, int doubled)
{
    const __m256i scale = _mm256_set1_epi16((int16_t)(255 << doubled));
    for (int j = 0; j < RUN; j += 16, in += 48, out += 48, change += 64) {
        __m128i a = changed4(_mm_loadu_si128((const __m128i *)in), change, scale);
        __m128i b = changed4(_mm_loadu_si128((const __m128i *)(in + 12)), change + 16, scale);
        __m128i c = changed4(_mm_loadu_si128((const __m128i *)(in + 24)), change + 32, scale);
        __m128i d = changed4(_mm_srli_si128(_mm_loadu_si128((const __m128i *)(in + 32)), 4), change + 48, scale);
        _mm_storeu_si128((__m128i *)out, _mm_or_si128(a, _mm_slli_si128(b, 12)));
        _mm_storeu_si128((__m128i *)(out + 16), _mm_or_si128(_mm_srli_si128(b, 4), _mm_slli_si128(c, 8)));
        _mm_storeu_si128((__m128i *)(out + 32), _mm_or_si128(_mm_srli_si128(c, 8), _mm_slli_si128(d, 4)));
    }
}

static FOR_AVX2 void rows_avx2(const Job *job, Mask *mask)
{
    grade_rows(job, mask, locate8_avx2, blend_avx2, write8_avx2);
}

static FOR_AVX512 void rows_avx512(const Job *job, Mask *mask)
{
    grade_rows(job, mask, locate8_avx2, blend_avx2, write8_avx2);
}

static int supported(int variant)
{
    __builtin_cpu_init();
    if (variant == AVX2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
    if (variant == AVX512)
        return supported(AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
               && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    return variant == PLAIN;
}

#else

static void rows_avx2(const Job *job, Mask *mask) { rows_plain(job, mask); }
static void rows_avx512(const Job *job, Mask *mask) { rows_plain(job, mask); }
static int supported(int variant) { return variant == PLAIN; }

#endif

static int best_variant(void)
{
    return supported(AVX512) ? AVX512 : supported(AVX2) ? AVX2 : PLAIN;
}

static int grade(const Job *job, int variant)
{
    static void (*const rows[VARIANTS])(const Job *, Mask *) = {rows_plain, rows_avx2, rows_avx512};
    Mask mask;
    int opened = mask_open(&mask, job);
    if (opened) rows[variant](job, &mask);
    mask_close(&mask);
    return opened;
}

/* ---- Python ------------------------------------------------------------------------------------------------------ */

typedef struct {
    Py_buffer pixels, out, masks, lattices[MAX_LUTS];
} Buffers;

static void release(Buffers *buffers)
{
    PyBuffer_Release(&buffers->pixels);
    PyBuffer_Release(&buffers->out);
    PyBuffer_Release(&buffers->masks);
    for (int lut = 0; lut < MAX_LUTS; lut++) PyBuffer_Release(&buffers->lattices[lut]);
}

static int read_lattices(Job *job, Buffers *buffers, PyObject *given)
{
    job->luts = (int)PyTuple_Size(given);
    if (job->luts < 0 || job->luts > MAX_LUTS) return 0;
    for (int lut = 0; lut < job->luts; lut++) {
        Py_buffer *buffer = &buffers->lattices[lut];
        Py_ssize_t size = 0;
        if (PyObject_GetBuffer(PyTuple_GetItem(given, lut), buffer, PyBUF_SIMPLE) < 0) return 0;
        while (size * size * size * 8 < buffer->len) size++;
        if (size < 2 || size > 129 || size * size * size * 8 != buffer->len) return 0;
        job->lattices[lut].points = buffer->buf;
        job->lattices[lut].size = (int)size;
    }
    return 1;
}

static int usable(int side) { return side >= 1 && side <= LARGEST; }

static int lengths_agree(const Job *job, const Buffers *buffers)
{
    if (!usable(job->width) || !usable(job->height) || !usable(job->mask_width) || !usable(job->mask_height)) return 0;
    Py_ssize_t picture = (Py_ssize_t)job->width * job->height * 3 * (job->depth / 8);
    Py_ssize_t masks = (Py_ssize_t)job->mask_width * job->mask_height * job->luts * 2;
    return (job->depth == 8 || job->depth == 16) && buffers->pixels.len == picture && buffers->out.len == picture
           && buffers->masks.len == masks && job->first >= 0 && job->first <= job->last && job->last <= job->height;
}

static PyObject *run_job(Job *job, Buffers *buffers, PyObject *lattices, int variant)
{
    int done = 0;
    if (variant == BEST) variant = best_variant();
    if (variant < 0 || variant >= VARIANTS || !supported(variant))
        return PyErr_Format(PyExc_ValueError, "variant %d cannot run on this processor", variant);
    if (!read_lattices(job, buffers, lattices) || !lengths_agree(job, buffers)) {
        if (PyErr_Occurred()) return NULL;
        return PyErr_Format(PyExc_ValueError, "buffers do not have the lengths that the sizes ask for");
    }
    job->pixels = buffers->pixels.buf;
    job->out = buffers->out.buf;
    job->masks = buffers->masks.buf;
    Py_BEGIN_ALLOW_THREADS
    done = grade(job, variant);
    Py_END_ALLOW_THREADS
    if (!done) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *py_grade(PyObject *module, PyObject *args)
{
    Job job = {0};
    Buffers buffers = {0};
    PyObject *lattices, *result;
    int variant;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*w*(iii)y*(ii)O!p(ii)i", &buffers.pixels, &buffers.out, &job.height, &job.width,
                          &job.depth, &buffers.masks, &job.mask_height, &job.mask_width, &PyTuple_Type, &lattices,
                          &job.doubled, &job.first, &job.last, &variant))
        return NULL;
    result = run_job(&job, &buffers, lattices, variant);
    release(&buffers);
    return result;
}

static PyObject *py_variants(PyObject *module, PyObject *unused)
{
    static const char *const names[VARIANTS] = {"plain", "avx2", "avx512"};
    PyObject *found = PyList_New(0);
    (void)module;
    (void)unused;
    for (int variant = 0; found && variant < VARIANTS; variant++) {
        PyObject *name = supported(variant) ? PyUnicode_FromString(names[variant]) : NULL;
        if (name) PyList_Append(found, name);
        Py_XDECREF(name);
    }
    return found;
}

static PyMethodDef methods[] = {
    {"grade", py_grade, METH_VARARGS,
     "grade(pixels, out, (height, width, depth), masks, (mask_height, mask_width), lattices, doubled, (first, last), "
     "variant)\n\nGrade rows first <= y < last of pixels into out; variant -1 is the best this processor has."},
    {"variants", py_variants, METH_NOARGS, "Names of the variants this processor can run, by their number."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_grade", "The colour pass, compiled.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__grade(void) { return PyModuleDef_Init(&definition); }
