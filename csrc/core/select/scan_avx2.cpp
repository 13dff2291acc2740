#define FASTSFES_SCAN scan_avx2
#define FASTSFES_LANES 4
#include "core/select/scan.inl"
