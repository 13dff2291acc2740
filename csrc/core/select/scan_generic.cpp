#define FASTSFES_SCAN scan_generic
#define FASTSFES_LANES 1
#include "core/select/scan.inl"
