#define FASTSFES_SCAN scan_avx512
#define FASTSFES_LANES 8
#include "core/select/scan.inl"
