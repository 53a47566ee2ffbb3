#pragma once

#include "leadline/simd/code_kernels.h"
#include "leadline/simd/distance.h"
#include "leadline/simd/selection.h"
#include "leadline/simd/tile_kernels.h"

namespace leadline::simd {

/// Tables of the levels, each defined in its own source file with its own compiler flags.
extern const DistanceKernels kScalarDistance;
extern const CodeKernels kScalarCodes;
extern const TileKernels kScalarTiles;
extern const SelectionKernels kScalarSelection;

/// The same loops for each level (encode_loops.h, product_table_loops.h, rotation_loops.h).
namespace scalar {

void MakeProductTable(const float* query, size_t dim, const float* codewords, size_t width,
                      float factor, float* values, uint8_t* table, float* base, float* step);
void MakeSignTable(const float* values, size_t dim, float* room, uint8_t* table, float* base,
                   float* step);
void Rotate(const float* signs, size_t dim, size_t rounds, float* values, float* room);
SignSums SignCodes(const float* turned, const float* from, size_t dim, uint8_t* codes);
double Projection(const float* row, const float* base, size_t dim);
ByteSums ByteCodes(const float* row, const float* mean, size_t dim, float* centred, uint8_t* codes);
RowSums ByteRow(const float* row, const float* centre, size_t dim, float* centred, uint8_t* codes);
float SquaredDistance(const float* a, const float* b, size_t dim);

}  // namespace scalar

#if defined(__x86_64__)
extern const DistanceKernels kAvx2Distance;
extern const DistanceKernels kAvx512Distance;
extern const CodeKernels kAvx2Codes;
extern const CodeKernels kAvx512Codes;
extern const CodeKernels kAvx512VnniCodes;
extern const TileKernels kAvx2Tiles;
extern const TileKernels kAvx512Tiles;
extern const TileKernels kAvx512VnniTiles;
extern const SelectionKernels kAvx2Selection;
extern const SelectionKernels kAvx512Selection;

namespace avx2 {

void MakeProductTable(const float* query, size_t dim, const float* codewords, size_t width,
                      float factor, float* values, uint8_t* table, float* base, float* step);
void MakeSignTable(const float* values, size_t dim, float* room, uint8_t* table, float* base,
                   float* step);
void Rotate(const float* signs, size_t dim, size_t rounds, float* values, float* room);
SignSums SignCodes(const float* turned, const float* from, size_t dim, uint8_t* codes);
double Projection(const float* row, const float* base, size_t dim);
ByteSums ByteCodes(const float* row, const float* mean, size_t dim, float* centred, uint8_t* codes);
RowSums ByteRow(const float* row, const float* centre, size_t dim, float* centred, uint8_t* codes);
float SquaredDistance(const float* a, const float* b, size_t dim);

}  // namespace avx2

/// Kernels of "avx512" that faster levels share.
namespace avx512 {

void MakeProductTable(const float* query, size_t dim, const float* codewords, size_t width,
                      float factor, float* values, uint8_t* table, float* base, float* step);
void MakeSignTable(const float* values, size_t dim, float* room, uint8_t* table, float* base,
                   float* step);
void Rotate(const float* signs, size_t dim, size_t rounds, float* values, float* room);
SignSums SignCodes(const float* turned, const float* from, size_t dim, uint8_t* codes);
double Projection(const float* row, const float* base, size_t dim);
ByteSums ByteCodes(const float* row, const float* mean, size_t dim, float* centred, uint8_t* codes);
RowSums ByteRow(const float* row, const float* centre, size_t dim, float* centred, uint8_t* codes);
float SquaredDistance(const float* a, const float* b, size_t dim);
size_t SelectNear(const int32_t* sums, const float* add, const float* scale, size_t count,
                  SumToDistance map, float threshold, const uint64_t* allowed, uint32_t first,
                  float* distances, uint32_t* positions);
void Bf16Gather(const float* query, const uint16_t* rows, size_t stride, const uint32_t* ids,
                size_t count, size_t n, float* out);
void PackQueries(const int8_t* queries, size_t stride, const uint32_t* ids, size_t count, size_t n,
                 int8_t* packed);
size_t TileHits(const SumTile& tile, const TileLanes& lanes, const float* thresholds,
                TileHit* hits);
void TileNearest(const SumTile& tile, const TileLanes& lanes, uint32_t first_lane, float* best,
                 uint32_t* best_lane);
void TileDistances(const SumTile& tile, const TileLanes& lanes, float* out);

}  // namespace avx512

/// Kernels of "amx", which shares all others with "avx512vnni".
namespace amx {

void PackedSums(const uint8_t* codes, size_t stride, const uint32_t* ids, size_t row_count,
                size_t n, const int8_t* packed, size_t packs, int32_t* out, size_t out_stride);

}  // namespace amx
#elif defined(__aarch64__)
extern const DistanceKernels kNeonDistance;
extern const CodeKernels kNeonCodes;
#endif

}  // namespace leadline::simd
