/// hnswlib from C++ under the line protocol of worker.py, for searches under a filter: from Python
/// its filter is a Python function, called for each row it meets. bench/peers/run.sh compiles this
/// against the headers of the same release, with the flags that its Python package uses. It opens
/// what the Python binding saved, so it knows "open", "pass" and "memory" only.

#include <chrono>
#include <cstdint>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <hnswlib/hnswlib.h>
#include <nlohmann/json.hpp>

namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

std::vector<char> ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw std::runtime_error("cannot read " + path);
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// A bitmap over the rows, lowest bit first.
class Bitmap : public hnswlib::BaseFilterFunctor {
 public:
  explicit Bitmap(const unsigned char* bits) : bits_(bits) {}

  bool operator()(hnswlib::labeltype row) override {
    return (bits_[row >> 3] >> (row & 7) & 1) != 0;
  }

 private:
  const unsigned char* bits_;
};

class Worker {
 public:
  Json Answer(const Json& command) {
    const std::string what = command.at("do");
    if (what == "open") {
      return Open(command);
    }
    if (what == "pass") {
      return Pass(command);
    }
    return {{"rss_bytes", 0}};
  }

 private:
  Json Open(const Json& command) {
    const std::vector<char> raw = ReadAll(command.at("queries"));
    const auto* shape = reinterpret_cast<const uint32_t*>(raw.data());
    rows_ = shape[0];
    dim_ = shape[1];
    const auto* values = reinterpret_cast<const float*>(shape + 2);
    queries_.assign(values, values + rows_ * dim_);
    if (command.at("metric") == "l2") {
      space_ = std::make_unique<hnswlib::L2Space>(dim_);
    } else {
      space_ = std::make_unique<hnswlib::InnerProductSpace>(dim_);
    }
    const auto started = Clock::now();
    index_ = std::make_unique<hnswlib::HierarchicalNSW<float>>(
        space_.get(), command.at("folder").get<std::string>() + "/index");
    const std::chrono::duration<double> taken = Clock::now() - started;
    return {{"open_s", taken.count()}, {"rss_bytes", 0}};
  }

  Json Pass(const Json& command) {
    const size_t k = command.at("k");
    index_->setEf(command.at("params").at("ef"));
    std::vector<char> masks;
    std::vector<Bitmap> filters;
    std::vector<size_t> which;
    if (command.contains("filters")) {
      const Json& filter = command["filters"];
      masks = ReadAll(filter.at("masks"));
      const size_t count = filter.at("count");
      for (size_t i = 0; i < count; ++i) {
        filters.emplace_back(reinterpret_cast<const unsigned char*>(masks.data()) +
                             i * (masks.size() / count));
      }
      which = filter.at("which").get<std::vector<size_t>>();
    }
    std::vector<int32_t> found(rows_ * k, -1);
    Json answer = {{"seconds", Json::array()}, {"cpu_s", Json::array()}};
    for (const Json& part : command.at("parts")) {
      const auto wall = Clock::now();
      const std::clock_t cpu = std::clock();
      for (size_t i = part.at(0); i < part.at(1); ++i) {
        Bitmap* filter = which.empty() ? nullptr : &filters.at(which.at(i));
        auto nearest = index_->searchKnn(queries_.data() + i * dim_, k, filter);
        for (size_t h = 0; !nearest.empty(); nearest.pop()) {
          found[i * k + h++] = static_cast<int32_t>(nearest.top().second);
        }
      }
      const std::chrono::duration<double> taken = Clock::now() - wall;
      answer["seconds"].push_back(taken.count());
      answer["cpu_s"].push_back(static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC);
    }
    std::ofstream file(command.at("found").get<std::string>(), std::ios::binary);
    file.write(reinterpret_cast<const char*>(found.data()),
               static_cast<std::streamsize>(found.size() * sizeof found[0]));
    return answer;
  }

  size_t rows_ = 0;
  size_t dim_ = 0;
  std::vector<float> queries_;
  std::unique_ptr<hnswlib::SpaceInterface<float>> space_;
  std::unique_ptr<hnswlib::HierarchicalNSW<float>> index_;
};

}  // namespace

int main() {
  Worker worker;
  std::string line;
  while (std::getline(std::cin, line)) {
    Json answer;
    try {
      answer = worker.Answer(Json::parse(line));
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    std::cout << answer.dump() << std::endl;
  }
  return 0;
}
