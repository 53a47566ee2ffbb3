#include "http_search.h"

#include <array>
#include <charconv>
#include <memory>
#include <utility>

#include <curl/curl.h>
#include <nlohmann/json.hpp>

namespace leadline::bench {
namespace {

size_t Append(char* data, size_t /*one*/, size_t size, void* body) {
  static_cast<std::string*>(body)->append(data, size);
  return size;
}

class HttpSearcher {
 public:
  HttpSearcher(const std::string& url, const std::string& token, const Workload& work,
               size_t ef_search)
      : work_(work), ef_search_(ef_search) {
    curl_.reset(curl_easy_init());
    headers_.reset(curl_slist_append(nullptr, "Content-Type: application/json"));
    if (!token.empty()) {
      curl_slist_append(headers_.get(), ("Authorization: Bearer " + token).c_str());
    }
    curl_easy_setopt(curl_.get(), CURLOPT_URL, (url + "/search").c_str());
    curl_easy_setopt(curl_.get(), CURLOPT_HTTPHEADER, headers_.get());
    curl_easy_setopt(curl_.get(), CURLOPT_WRITEFUNCTION, Append);
    curl_easy_setopt(curl_.get(), CURLOPT_WRITEDATA, &answer_);
    curl_easy_setopt(curl_.get(), CURLOPT_NOSIGNAL, 1L);
  }

  Result<Answer> Search(size_t number) {
    WriteQuery(work_.query(number));
    answer_.clear();
    curl_easy_setopt(curl_.get(), CURLOPT_POSTFIELDS, query_.c_str());
    curl_easy_setopt(curl_.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(query_.size()));
    const CURLcode done = curl_easy_perform(curl_.get());
    long status = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
    if (done != CURLE_OK) {
      return UnavailableError(curl_easy_strerror(done));
    }
    if (status != 200) {
      return status == 429 ? ResourceExhaustedError(answer_) : UnavailableError(answer_);
    }
    std::vector<Hit> hits;
    const auto json = nlohmann::json::parse(answer_);
    for (const auto& hit : json.at("hits")) {
      hits.emplace_back().id = hit.at("id").get<std::string>();
    }
    return Answer{1, work_.CountRight(number, hits)};
  }

 private:
  /// The shortest text of each number that is read back as the same.
  void WriteQuery(VectorView query) {
    query_ = "{\"limit\":" + std::to_string(kTop) + ",\"ef_search\":" + std::to_string(ef_search_) +
             ",\"vector\":[";
    std::array<char, 32> text{};
    for (const float value : query) {
      const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
      query_.append(text.data(), end).push_back(',');
    }
    query_.back() = ']';
    query_ += '}';
  }

  const Workload& work_;
  const size_t ef_search_;
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl_{nullptr, curl_easy_cleanup};
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers_{nullptr,
                                                                       curl_slist_free_all};
  std::string query_;
  std::string answer_;
};

}  // namespace

Caller NewHttpSearchCaller(const std::string& url, const std::string& token, const Workload& work,
                           size_t ef_search) {
  auto searcher = std::make_shared<HttpSearcher>(url, token, work, ef_search);
  return [searcher = std::move(searcher)](size_t number) { return searcher->Search(number); };
}

}  // namespace leadline::bench
