#include <memory>

#include "command.h"
#include "database_opening.h"
#include "json_lines.h"
#include "leadline/core/clock.h"
#include "leadline/core/file_system.h"
#include "leadline/rpc/token_store.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr uint64_t kMaxDays = 36'500;
constexpr std::string_view kLocalOnly = "works on the tokens in the directory of the database";

struct TokenArguments {
  DatabaseArguments where;
  std::string role = "read";
  std::vector<std::string> collections;
  std::optional<uint64_t> days;
  std::optional<uint64_t> rate;
  std::optional<uint64_t> burst;
  std::string label;
  std::string id;
};

/// The store of a database that exists.
Result<std::unique_ptr<rpc::TokenStore>> OpenTokens(const TokenArguments& args) {
  LEADLINE_ASSIGN_OR_RETURN(const auto database, OpenDatabaseForReading(args.where));
  return std::make_unique<rpc::TokenStore>(FileSystem::Posix(), Clock::System(),
                                           args.where.database);
}

std::string RoleWord(v1::Role role) {
  return role == v1::ROLE_READ ? "read" : role == v1::ROLE_WRITE ? "write" : "admin";
}

/// kInvalidArgument for a burst of no rate.
Result<std::optional<rpc::CallRate>> RateOf(const TokenArguments& args) {
  if (!args.rate) {
    return args.burst ? Result<std::optional<rpc::CallRate>>(
                            InvalidFieldError("a burst of no rate", "--burst",
                                              std::to_string(*args.burst), "given with --rate"))
                      : std::optional<rpc::CallRate>();
  }
  return std::optional<rpc::CallRate>(
      {static_cast<uint32_t>(*args.rate), static_cast<uint32_t>(args.burst.value_or(0))});
}

/// "100/s", "100/s (burst 500)", "none"; "server's" where the token has none of its own.
std::string RateText(const std::optional<rpc::CallRate>& rate) {
  if (!rate) {
    return "server's";
  }
  if (rate->per_second == 0) {
    return "none";
  }
  return std::to_string(rate->per_second) + "/s" +
         (rate->burst != 0 ? " (burst " + std::to_string(rate->burst) + ")" : "");
}

Result<ExitCode> RunCreate(const TokenArguments& args, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const auto tokens, OpenTokens(args));
  rpc::TokenRequest request;
  request.role = args.role == "read"    ? v1::ROLE_READ
                 : args.role == "write" ? v1::ROLE_WRITE
                                        : v1::ROLE_ADMIN;
  request.collections = args.collections;
  request.label = args.label;
  LEADLINE_ASSIGN_OR_RETURN(request.rate, RateOf(args));
  if (args.days) {
    request.expires_at_ms =
        Clock::System()->UnixMillis() + static_cast<int64_t>(*args.days) * kDayMs;
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::string token, tokens->Create(request));
  if (console.json()) {
    WriteJsonLine(console, {{"token", token}});
  } else {
    console.Line(token);
  }
  return ExitCode::kDone;
}

Result<ExitCode> RunList(const TokenArguments& args, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const auto tokens, OpenTokens(args));
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<rpc::TokenRecord> records, tokens->List());
  TablePrinter table({"id", "role", "collections", "expires", "rate", "label"});
  for (const rpc::TokenRecord& record : records) {
    if (console.json()) {
      Json line = {{"id", record.id}, {"role", RoleWord(record.role)}, {"label", record.label}};
      line["collections"] = record.all_collections ? Json() : Json(record.collections);
      line["created_ms"] = record.created_ms;
      line["expires_at_ms"] = record.expires_at_ms ? Json(*record.expires_at_ms) : Json();
      line["rate"] = record.rate ? Json(record.rate->per_second) : Json();
      line["burst"] = record.rate && record.rate->burst != 0 ? Json(record.rate->burst) : Json();
      WriteJsonLine(console, line);
      continue;
    }
    std::string names = record.all_collections ? "all" : "";
    for (const std::string& name : record.collections) {
      names += (names.empty() ? "" : ",") + name;
    }
    const int64_t now = Clock::System()->UnixMillis();
    const std::string expires =
        !record.expires_at_ms ? "never"
        : *record.expires_at_ms <= now
            ? "expired"
            : "in " + std::to_string((*record.expires_at_ms - now) / kDayMs) + " days";
    table.Row(
        {record.id, RoleWord(record.role), names, expires, RateText(record.rate), record.label});
  }
  if (!console.json()) {
    table.Print(console);
  }
  return ExitCode::kDone;
}

Result<ExitCode> RunRevoke(const TokenArguments& args, Console& /*console*/) {
  LEADLINE_ASSIGN_OR_RETURN(const auto tokens, OpenTokens(args));
  LEADLINE_RETURN_IF_ERROR(tokens->Revoke(args.id));
  return ExitCode::kDone;
}

CommandBody DeclareCreate(Arguments& arguments) {
  auto args = std::make_shared<TokenArguments>();
  DeclareDatabase(arguments, &args->where);
  arguments.Choice(&args->role, "--role", {"read", "write", "admin"}, "what the token may do");
  arguments.Texts(&args->collections, "--collection", "NAME",
                  "collection it is for; may be given again; all without it");
  arguments.Number(&args->days, "--days", "days until it expires; never without it", 1, kMaxDays);
  arguments.Number(&args->rate, "--rate",
                   "calls a second; 0 sets no limit; the server's --rate without it", 0,
                   rpc::CallRate::kMax);
  arguments.Number(&args->burst, "--burst",
                   "calls at once after a pause; as many as in a second without it", 1,
                   rpc::CallRate::kMax);
  arguments.Text(&args->label, "--label", "TEXT", "for people, shown by token list");
  return [args](Console& console) { return RunCreate(*args, console); };
}

CommandBody DeclareList(Arguments& arguments) {
  auto args = std::make_shared<TokenArguments>();
  DeclareDatabase(arguments, &args->where);
  return [args](Console& console) { return RunList(*args, console); };
}

CommandBody DeclareRevoke(Arguments& arguments) {
  auto args = std::make_shared<TokenArguments>();
  DeclareDatabase(arguments, &args->where);
  arguments.Positional(&args->id, "ID", "id of the token, as token list shows it");
  return [args](Console& console) { return RunRevoke(*args, console); };
}

}  // namespace

Command TokenCreateCommand() {
  return {
      "token create", "Make a token for the service",
      "Prints it once; only its digest is kept. From the first token on every call of `leadline "
      "serve` needs one. A running server knows it within a second.\nWith --json "
      "{\"token\":TEXT}.",
      DeclareCreate, kLocalOnly};
}

Command TokenListCommand() {
  return {"token list", "List the tokens of a database",
          "With --json one line a token: "
          "{\"id\",\"role\",\"label\",\"collections\",\"created_ms\",\"expires_at_ms\",\"rate\","
          "\"burst\"}; null means all, never, the server's and a second's worth.",
          DeclareList, kLocalOnly};
}

Command TokenRevokeCommand() {
  return {"token revoke", "Take a token back",
          "A running server refuses it within a second. After the last one is revoked no call is "
          "allowed any more.",
          DeclareRevoke, kLocalOnly};
}

}  // namespace leadline::cli
