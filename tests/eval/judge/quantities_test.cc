#include "quantities.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "quantity_index.h"

namespace leadline::judge {
namespace {

// AnalysedText borrows its text, so each case keeps its own.
struct Found {
  explicit Found(const std::string& written)
      : text(written),
        analysed(Analyse(text, CitationMarks::kAreWords)),
        quantities(FindQuantities(analysed, 0, analysed.words.size())) {}

  Found(const Found&) = delete;
  Found& operator=(const Found&) = delete;

  std::string text;
  AnalysedText analysed;
  std::vector<Quantity> quantities;
};

bool Supports(const std::string& given, const std::string& stated) {
  const Found left(given);
  const Found right(stated);
  EXPECT_EQ(right.quantities.size(), 1U) << stated;
  QuantityIndex index;
  bool any = false;
  for (const Quantity& quantity : left.quantities) {
    index.Add(quantity);
    any = any || Agrees(right.quantities.at(0), quantity);
  }
  index.Finish();
  EXPECT_EQ(index.HasAgreeing(right.quantities.at(0)), any) << given << " / " << stated;
  return any;
}

TEST(Quantities, AgreeAcrossNotations) {
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {"1,000 people", "1000 people"},
      {"1.000.000 Menschen", "1000000 people"},
      {"3,5 Prozent", "3.5 points"},
      {"seven people", "7 people"},
      {"twenty-one days", "21 days"},
      {"2 million", "2,000,000"},
      {"$2.5m", "2.5 million dollars"},
      {"12%", "12 percent"},
      {"12 per cent", "12%"},
      {"1.5 km", "1500 metres"},
      {"500 mg", "0.5 g"},
      {"two weeks", "14 days"},
      {"July 27, 1942", "27 July 1942"},
      {"1942-07-27", "July 1942"},
      {"27 July 1942", "in 1942"},
      {"the 1990s", "1990s"},
      {"181,674,817 dollars", "about 180 million dollars"},
      {"3万人", "30000 people"},
      {"三百五十", "350"},
      {"2016年9月4日", "4 September 2016"},
      {"๑๒ คน", "12 คน"},
      {"1 กรกฎาคม", "July 1"},
  };
  for (const auto& [given, stated] : pairs) {
    EXPECT_TRUE(Supports(given, stated)) << given << " / " << stated;
  }
}

TEST(Quantities, DisagreeWhereTheyDiffer) {
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {"1,000 people", "1001 people"},
      {"5 mg", "5 g"},
      {"12%", "12 km"},
      {"27 July 1942", "27 June 1942"},
      {"27 July 1942", "1943"},
      {"$5", "€5"},
      {"20 celsius", "20 fahrenheit"},
      {"July 1942", "27 July 1942"},
      {"181 million dollars", "about 220 million dollars"},
      {"3.14", "3.1"},
      {"2016年9月4日", "2016年9月5日"},
  };
  for (const auto& [given, stated] : pairs) {
    EXPECT_FALSE(Supports(given, stated)) << given << " / " << stated;
  }
}

TEST(Quantities, LeavesNamesWithDigitsAlone) {
  EXPECT_TRUE(Found("COVID-19 and B12 and p53").quantities.empty());
}

TEST(Quantities, OneIsWeak) {
  const Found one("one of them");
  ASSERT_EQ(one.quantities.size(), 1U);
  EXPECT_TRUE(one.quantities[0].weak);
}

TEST(Quantities, KnowsWhatExcludesWhat) {
  const Found years("in 1942 and 1945");
  ASSERT_EQ(years.quantities.size(), 2U);
  EXPECT_TRUE(SameKind(years.quantities[0], years.quantities[1]));
  const Found mixed("5 kg and 5 people");
  ASSERT_EQ(mixed.quantities.size(), 2U);
  EXPECT_FALSE(SameKind(mixed.quantities[0], mixed.quantities[1]));
}

}  // namespace
}  // namespace leadline::judge
