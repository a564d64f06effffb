// What every source of this folder starts with; launch.py puts it in front, behind BLOCK, the threads of a block.
//
// REAL is float or double, a -D option of the compiler. Indices have 32 bits: divisions by them are several times
// faster than by 64-bit ones, and launch.py refuses what they cannot count.

typedef unsigned int index_t;

// The number of the thread in the whole launch.
#define THREAD (blockIdx.x * blockDim.x + threadIdx.x)

// How many loads a thread has under way at once where it adds up many values, in the order in which it would have added
// them one by one. An addition behind each load would wait for the memory each time.
#define AHEAD 8
