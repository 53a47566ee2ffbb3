#pragma once

/// The labelled sets kept beside the repository, in the layouts of shared/data.

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "labelled_set.h"

namespace leadline::testing {

using Json = nlohmann::json;
using LabelledSet = std::vector<LabelledInput>;

inline const std::string kData = std::string(LEADLINE_SOURCE_DIR) + "/../shared/data/";

inline std::vector<Json> Lines(const std::string& file) {
  std::ifstream in(kData + file);
  std::vector<Json> out;
  for (std::string line; std::getline(in, line);) {
    out.push_back(Json::parse(line));
  }
  return out;
}

inline bool Present() {
  return std::ifstream(kData + "faithbench/faithbench_dev.jsonl").good();
}

inline std::string First(const Json& value) {
  return value.is_array() ? First(value.at(0)) : value.get<std::string>();
}

inline LabelledSet Begin(const std::string& part) {
  LabelledSet set;
  for (const Json& line : Lines("begin/begin_dev_" + part + ".jsonl")) {
    set.push_back({{"", line["response"], {line["knowledge"].get<std::string>()}, line["message"]},
                   line["begin_label"] == "Fully attributable"});
  }
  return set;
}

inline LabelledSet FaithBench() {
  LabelledSet set;
  for (const Json& line : Lines("faithbench/faithbench_dev.jsonl")) {
    const std::string worst = line["worst_label"];
    set.push_back({{"", line["summary"], {line["source"].get<std::string>()}, ""},
                   worst == "Benign" || worst == "Consistent"});
  }
  return set;
}

inline LabelledSet FactScore() {
  LabelledSet set;
  for (const Json& line : Lines("factscore/factscore_chatgpt.jsonl")) {
    for (const Json& fact : line["facts"]) {
      set.push_back({{"", fact["fact"], {line["knowledge"].get<std::string>()}, ""},
                     fact["label"] == "supported"});
    }
  }
  return set;
}

inline LabelledSet Frank(const std::string& dataset) {
  std::map<std::string, std::string> articles;
  for (const Json& line : Lines("frank/frank_validation_articles.jsonl")) {
    articles[line["hash"]] = line["article"];
  }
  LabelledSet set;
  for (const Json& line : Lines("frank/frank_validation.jsonl")) {
    if (line["dataset"] == dataset) {
      set.push_back({{"", line["summary"], {articles[line["hash"]]}, ""},
                     line["Factuality"].get<double>() > 0.999});
    }
  }
  return set;
}

inline LabelledSet SciFact(const std::string& split) {
  std::map<std::string, std::string> documents;
  for (const Json& line : Lines("scifact/corpus.jsonl")) {
    documents[line["_id"]] =
        line["title"].get<std::string>() + "\n" + line["text"].get<std::string>();
  }
  LabelledSet set;
  for (const Json& claim : Lines("scifact/claims_" + split + ".jsonl")) {
    for (const Json& document : claim["cited_doc_ids"]) {
      bool supported = false;
      for (const Json& evidence : claim["evidence"]) {
        supported = supported || (evidence["doc"] == document && evidence["label"] == "SUPPORT");
      }
      set.push_back({{"", claim["claim"], {documents[document]}, ""}, supported});
    }
  }
  return set;
}

// The right answer with its passages and the fake one with the edited passages are grounded.
inline LabelledSet Rgb(const std::string& language) {
  LabelledSet set;
  for (const Json& line : Lines("rgb/" + language + "_fact.jsonl")) {
    const std::string answers[2] = {First(line["answer"]), First(line["fakeanswer"])};
    const char* passages[2] = {"positive", "positive_wrong"};
    for (int answer = 0; answer < 2; ++answer) {
      for (int passage = 0; passage < 2; ++passage) {
        set.push_back(
            {{"", answers[answer], line[passages[passage]], line["query"]}, answer == passage});
      }
    }
  }
  return set;
}

inline LabelledSet HaluEval() {
  LabelledSet set;
  for (const Json& line : Lines("halueval/qa_dev.jsonl")) {
    const std::vector<std::string> contexts = {line["knowledge"]};
    set.push_back({{"", line["right_answer"], contexts, line["question"]}, true});
    set.push_back({{"", line["hallucinated_answer"], contexts, line["question"]}, false});
  }
  return set;
}

// Made here: conclusions against their own abstract and against the next one.
inline LabelledSet PubMedQa() {
  const std::vector<Json> lines = Lines("pubmedqa/pqal_dev.jsonl");
  LabelledSet set;
  for (size_t i = 0; i < lines.size(); ++i) {
    const Json& other = lines[(i + 1) % lines.size()];
    set.push_back({{"", lines[i]["long_answer"], lines[i]["contexts"], ""}, true});
    set.push_back({{"", other["long_answer"], lines[i]["contexts"], ""}, false});
  }
  return set;
}

}  // namespace leadline::testing
