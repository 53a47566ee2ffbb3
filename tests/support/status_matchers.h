#pragma once

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leadline/core/status.h"

namespace leadline::testing {

inline const Status& StatusOf(const Status& status) {
  return status;
}

template <typename T>
Status StatusOf(const Result<T>& result) {
  return result.status();
}

MATCHER(IsOk, "is OK") {
  const Status status = StatusOf(arg);
  if (status.ok()) {
    return true;
  }
  *result_listener << status.ToString();
  return false;
}

MATCHER_P(StatusIs, code, std::string("has code ") + std::string(StatusCodeName(code))) {
  const Status status = StatusOf(arg);
  if (status.code() == code) {
    return true;
  }
  *result_listener << status.ToString();
  return false;
}

MATCHER_P2(StatusIs, code, text, std::string("has code ") + std::string(StatusCodeName(code))) {
  const Status status = StatusOf(arg);
  if (status.code() == code && status.message().find(text) != std::string::npos) {
    return true;
  }
  *result_listener << status.ToString();
  return false;
}

}  // namespace leadline::testing

#define ASSERT_OK(expr) ASSERT_THAT((expr), ::leadline::testing::IsOk())
#define EXPECT_OK(expr) EXPECT_THAT((expr), ::leadline::testing::IsOk())
/// Fails the test unless `expr` holds a value, else moves it into `lhs`.
#define ASSERT_OK_AND_ASSIGN(lhs, expr) \
  ASSERT_OK_AND_ASSIGN_IMPL_(LEADLINE_CONCAT_(assigned_, __LINE__), lhs, expr)
#define ASSERT_OK_AND_ASSIGN_IMPL_(result, lhs, expr) \
  auto result = (expr);                               \
  ASSERT_OK(result);                                  \
  lhs = std::move(result).value()
