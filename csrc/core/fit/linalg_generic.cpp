#define FASTSFES_LINALG linalg_generic
#define FASTSFES_LANES 1
#define FASTSFES_COLUMNS 4
#include "core/fit/linalg.inl"
