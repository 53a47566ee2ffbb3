#include "static_embedder.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "leadline/text/wordpiece.h"
#include "static_model.h"

namespace leadline::text {
namespace {

class StaticEmbedder final : public Embedder {
 public:
  StaticEmbedder(StaticModel model, WordPieceTokenizer tokenizer)
      : model_(std::move(model)), tokenizer_(std::move(tokenizer)) {
    char text[32];
    std::snprintf(text, sizeof text, "%u-%016llx", model_.revision(),
                  static_cast<unsigned long long>(model_.checksum()));
    version_ = text;
  }

  [[nodiscard]] std::string_view name() const override { return kStaticEmbedderName; }

  [[nodiscard]] size_t dim() const override { return model_.dim(); }

  [[nodiscard]] std::string_view version() const override { return version_; }

  Status Embed(std::span<const std::string_view> texts, std::span<float> out) const override {
    if (out.size() / dim() != texts.size() || out.size() % dim() != 0) {
      return InvalidFieldError("output has the wrong size", "out.size", std::to_string(out.size()),
                               std::to_string(texts.size()) + " x " + std::to_string(dim()));
    }
    std::vector<uint32_t> ids;
    for (size_t row = 0; row < texts.size(); ++row) {
      ids.clear();
      tokenizer_.Tokenize(texts[row], &ids);
      if (!EmbedIds(ids, out.subspan(row * dim(), dim()))) {
        return InvalidFieldError("text holds no word that the embedder knows",
                                 "texts[" + std::to_string(row) + "]",
                                 std::to_string(texts[row].size()) + " bytes", "1 known word");
      }
    }
    return OkStatus();
  }

 private:
  bool EmbedIds(const std::vector<uint32_t>& ids, std::span<float> row) const {
    std::fill(row.begin(), row.end(), 0.0F);
    for (const uint32_t id : ids) {
      model_.Accumulate(id, row);
    }
    double square = 0;
    for (const float x : row) {
      square += static_cast<double>(x) * static_cast<double>(x);
    }
    if (!(square > 0)) {
      return false;
    }
    const auto factor = static_cast<float>(1 / std::sqrt(square));
    for (float& x : row) {
      x *= factor;
    }
    return true;
  }

  StaticModel model_;
  WordPieceTokenizer tokenizer_;
  std::string version_;
};

}  // namespace

Result<std::shared_ptr<const Embedder>> MakeStaticEmbedder(std::string_view model_bytes) {
  LEADLINE_ASSIGN_OR_RETURN(StaticModel model, StaticModel::Parse(model_bytes));
  LEADLINE_ASSIGN_OR_RETURN(WordPieceTokenizer tokenizer,
                            WordPieceTokenizer::Create(model.vocabulary()));
  return std::shared_ptr<const Embedder>(
      std::make_shared<StaticEmbedder>(std::move(model), std::move(tokenizer)));
}

}  // namespace leadline::text
