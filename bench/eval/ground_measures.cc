// ground_measures FILE - prints what the judge measures of every sentence it would judge in FILE
// (the input of `leadline eval ground`), tab-separated: id of the line, label, weight, the four
// shares, number conflict (0 none, 1 another sentence has the number, 2 no context has it),
// opposition (0 none, 1 antonym, 2 negation), name conflict, share of the rest. Used by
// ground_pick.py.

#include <cstdio>

#include "analysed_text.h"
#include "coverage.h"
#include "evidence_index.h"
#include "fact_check.h"
#include "leadline/core/file_system.h"
#include "leadline/eval/ground_reader.h"
#include "refusals.h"
#include "scoring.h"

namespace leadline::judge {
namespace {

int NumberConflict(const FactCheck& facts) {
  return !facts.number_conflict ? 0 : facts.absent_numbers.empty() ? 1 : 2;
}

int OppositionKind(const FactCheck& facts) {
  return !facts.opposition ? 0 : facts.opposition->negation ? 2 : 1;
}

void PrintMeasures(const GroundRecord& record) {
  const AnalysedText response = Analyse(record.input.response, CitationMarks::kAreLeftOut);
  const EvidenceIndex index(record.input.contexts);
  CoverageMeter meter(index);
  for (const Sentence& sentence : response.sentences) {
    if (index.size() == 0 || IsRefusal(response, sentence) || IsEmptyTalk(response, sentence)) {
      continue;
    }
    const Coverage c = meter.Measure(response.Terms(sentence));
    const FactCheck facts = CheckFacts(response, sentence, index, c.evidence);
    std::printf("%s\t%d\t%.9g\t%.9g\t%.9g\t%.9g\t%.9g\t%d\t%d\t%d\t%.9g\n", record.input.id.c_str(),
                record.grounded.value_or(false) ? 1 : 0, c.weight, c.document, c.window, c.pairs,
                c.order, NumberConflict(facts), OppositionKind(facts), facts.name_conflict ? 1 : 0,
                CoverageOfTheRest(response, c, facts));
  }
}

Status PrintFile(const std::string& path) {
  LEADLINE_ASSIGN_OR_RETURN(const auto reader, GroundReader::Open(FileSystem::Posix(), path));
  for (;;) {
    LEADLINE_ASSIGN_OR_RETURN(const auto record, reader->Next());
    if (!record) {
      return OkStatus();
    }
    PrintMeasures(*record);
  }
}

}  // namespace
}  // namespace leadline::judge

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: ground_measures FILE\n");
    return 2;
  }
  const leadline::Status status = leadline::judge::PrintFile(argv[1]);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  return 0;
}
