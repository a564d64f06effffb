// What a product on tensor cores is made of: four instructions of sm_80 and later, in PTX, and below them the same four
// for the CPU, written from their documentation (PTX ISA, "Matrix Fragments for mma.m16n8k8" and "cp.async").
//
//   multiply_add        mma.sync.aligned.m16n8k8: a warp multiplies A (16x8) by B (8x8) and adds that to C (16x8). No
//                       lane has a matrix: each has a few elements of all three in registers, and which ones is fixed:
//
//                           lane = 4 * group + member, group 0 to 7, member 0 to 3
//                           a[r]  row group + 8 * (r % 2)   column member + 4 * (r / 2)     r = 0 to 3
//                           b[r]  row member + 4 * r        column group                    r = 0, 1
//                           c[r]  row group + 8 * (r / 2)   column 2 * member + r % 2       r = 0 to 3
//
//   rounded             cvt.rna.tf32: the factors keep 10 bits of mantissa, to nearest; sums stay float
//   copy_later          cp.async: from global to shared memory past the registers, while the warp goes on; what lies
//                       outside the matrix is filled with zeros and not read
//   wait_for_copies     cp.async.wait_all: of this thread's own copies; a barrier must follow for those of the others

#define GROUP_OF(lane) ((lane) / 4)
#define MEMBER_OF(lane) ((lane) % 4)

#ifdef __CUDACC__

#define UNROLLED _Pragma("unroll")

__device__ unsigned int rounded(float x)
{
    unsigned int bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return bits;
}

__device__ void multiply_add(float (&c)[4], const unsigned int (&a)[4], const unsigned int (&b)[2])
{
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// .ca: by way of the L1 cache, where the next tap finds the pixels that it shares with this one.
template <index_t WIDE> __device__ void copy_later(float *to, const float *from, bool inside)
{
    const unsigned int address = (unsigned int)__cvta_generic_to_shared(to), bytes = inside ? 4 * WIDE : 0;
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;"
                 : : "r"(address), "l"(from), "n"(4 * WIDE), "r"(bytes) : "memory");
}

__device__ void wait_for_copies() { asm volatile("cp.async.wait_all;" : : : "memory"); }

#else

#define UNROLLED

static inline unsigned int bits_of(float x) { unsigned int bits; memcpy(&bits, &x, 4); return bits; }
static inline float float_of(unsigned int bits) { float x; memcpy(&x, &bits, 4); return x; }

static inline unsigned int rounded(float x) { return (isfinite(x) ? bits_of(x) + 0x1000u : bits_of(x)) & 0xFFFFE000u; }

// Lanes cannot see each other's registers: each shows its own, and at the barrier all have. A lane that is ahead
// shows its next ones in the other slot. Low bits of a factor that was not rounded make its product NaN.
static unsigned int shown_a[2][MOST][4], shown_b[2][MOST][2], turns[MOST];

static inline float factor(unsigned int bits) { return bits & 0x1FFFu ? NAN : float_of(bits); }

static inline void multiply_add(float (&c)[4], const unsigned int (&a)[4], const unsigned int (&b)[2])
{
    const unsigned int slot = turns[threadIdx.x]++ % 2, lane = threadIdx.x % 32, warp = threadIdx.x - lane;
    memcpy(shown_a[slot][threadIdx.x], a, sizeof a);
    memcpy(shown_b[slot][threadIdx.x], b, sizeof b);
    __syncthreads();
    for (unsigned int r = 0; r < 4; ++r) {
        const unsigned int row = GROUP_OF(lane) + 8 * (r / 2), column = 2 * MEMBER_OF(lane) + r % 2;
        for (unsigned int k = 0; k < 8; ++k) {
            const unsigned int has_a = warp + 4 * (row % 8) + k % 4, has_b = warp + 4 * column + k % 4;
            c[r] += factor(shown_a[slot][has_a][row / 8 + 2 * (k / 4)]) * factor(shown_b[slot][has_b][k / 4]);
        }
    }
}

// A copy arrives when its thread waits for it, or at once with COPIES_ARRIVE_EARLY: a device may do either. NaN arrives
// where an address is not as aligned as the instruction wants it.
struct Copy { float *to; const float *from; index_t wide; bool inside; };
enum { PENDING = 256 };
static Copy pending[MOST][PENDING];
static unsigned int pending_of[MOST];

static inline void arrive(const Copy &copy)
{
    const bool aligned = ((size_t)copy.to | (size_t)copy.from) % (4 * copy.wide) == 0;
    for (index_t n = 0; n < copy.wide; ++n) copy.to[n] = !aligned ? NAN : copy.inside ? copy.from[n] : 0;
}

template <index_t WIDE> static inline void copy_later(float *to, const float *from, bool inside)
{
    const Copy copy = {to, from, WIDE, inside};
#ifdef COPIES_ARRIVE_EARLY
    arrive(copy);
#else
    if (pending_of[threadIdx.x] == PENDING) abort();
    pending[threadIdx.x][pending_of[threadIdx.x]++] = copy;
#endif
}

static inline void wait_for_copies()
{
    for (unsigned int n = 0; n < pending_of[threadIdx.x]; ++n) arrive(pending[threadIdx.x][n]);
    pending_of[threadIdx.x] = 0;
}

#endif
