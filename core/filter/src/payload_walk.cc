#include "leadline/core/payload_walk.h"

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "leadline/core/types.h"

namespace leadline {
namespace {

using nlohmann::json;

/// Turns nlohmann's events into events at places. A handler that returns false ends the parse.
class Walker {
 public:
  explicit Walker(PayloadSink* sink) : sink_(sink) {}

  // Names and signatures are those of nlohmann::json_sax.
  bool null() { return Scalar({}); }

  bool boolean(bool value) {
    return Scalar({.type = PayloadScalar::Type::kBool, .truth = value, .number = {}, .text = {}});
  }

  bool number_integer(json::number_integer_t value) { return Number(ExactNumber::FromInt(value)); }

  bool number_unsigned(json::number_unsigned_t value) {
    return Number(ExactNumber::FromUnsigned(value));
  }

  bool number_float(json::number_float_t value, const std::string& /*text*/) {
    return Number(ExactNumber::FromDouble(value));
  }

  bool string(std::string& value) {
    return Scalar(
        {.type = PayloadScalar::Type::kString, .truth = false, .number = {}, .text = value});
  }

  bool binary(json::binary_t& /*value*/) { return false; }

  bool key(std::string& value) {
    const int place = frames_.back().place;
    pending_ = place == PayloadSink::kNowhere ? place : sink_->Child(place, value);
    return true;
  }

  bool start_object(size_t /*elements*/) {
    if (frames_.size() == kMaxPayloadDepth) {
      return false;
    }
    if (frames_.empty()) {
      frames_.push_back({0, false});
    } else if (frames_.back().is_array) {
      frames_.push_back({frames_.back().place, false});
    } else {
      if (pending_ != PayloadSink::kNowhere) {
        sink_->OnObject(pending_);
      }
      frames_.push_back({pending_, false});
    }
    return true;
  }

  bool end_object() {
    frames_.pop_back();
    return true;
  }

  bool start_array(size_t /*elements*/) {
    if (frames_.empty() || frames_.size() == kMaxPayloadDepth) {
      return false;
    }
    if (frames_.back().is_array) {
      frames_.push_back({PayloadSink::kNowhere, true});
      return true;
    }
    if (pending_ != PayloadSink::kNowhere) {
      sink_->OnArray(pending_);
    }
    frames_.push_back({pending_, true});
    return true;
  }

  bool end_array() {
    if (frames_.back().place != PayloadSink::kNowhere) {
      sink_->OnArrayEnd(frames_.back().place);
    }
    frames_.pop_back();
    return true;
  }

  bool parse_error(size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) {
    return false;
  }

 private:
  struct Frame {
    int place;  ///< of an object: its own; of an array: the one its elements stand for
    bool is_array;
  };

  bool Number(ExactNumber number) {
    return Scalar(
        {.type = PayloadScalar::Type::kNumber, .truth = false, .number = number, .text = {}});
  }

  bool Scalar(const PayloadScalar& value) {
    if (frames_.empty()) {
      return false;
    }
    const Frame& frame = frames_.back();
    if (!frame.is_array) {
      if (pending_ != PayloadSink::kNowhere) {
        sink_->OnScalar(pending_, value);
      }
    } else if (frame.place != PayloadSink::kNowhere) {
      sink_->OnElement(frame.place, value);
    }
    return true;
  }

  PayloadSink* sink_;
  std::vector<Frame> frames_;
  int pending_ = PayloadSink::kNowhere;  ///< place of the last key
};

}  // namespace

bool WalkPayload(std::string_view payload, PayloadSink* sink) {
  if (payload.empty()) {
    return true;
  }
  Walker walker(sink);
  return json::sax_parse(payload.begin(), payload.end(), &walker);
}

}  // namespace leadline
