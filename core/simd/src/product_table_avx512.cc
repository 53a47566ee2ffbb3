#include "levels.h"
#include "product_table_loops.h"

namespace leadline::simd::avx512 {

void MakeProductTable(const float* query, size_t dim, const float* codewords, size_t width,
                      float factor, float* values, uint8_t* table, float* base, float* step) {
  ProductTable(query, dim, codewords, width, factor, values, table, base, step);
}

void MakeSignTable(const float* values, size_t dim, float* room, uint8_t* table, float* base,
                   float* step) {
  SignTable(values, dim, room, table, base, step);
}

}  // namespace leadline::simd::avx512
