// Settings of `leadline serve` from a file, the environment and flags: which one counts, what is
// refused and how that is told, and that --check-config neither opens the database nor listens.

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../rpc/served_program.h"
#include "../rpc/test_authority.h"
#include "program_runner.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Words = std::vector<std::string>;

/// Sets a variable of the environment while alive.
class Environment {
 public:
  Environment(std::string name, const std::string& value) : name_(std::move(name)) {
    ::setenv(name_.c_str(), value.c_str(), 1);
  }

  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  ~Environment() { ::unsetenv(name_.c_str()); }

 private:
  const std::string name_;
};

/// A valid value of a setting for each of its three sources, as JSON.
struct Sample {
  Json file;
  Json environment;
  Json flag;
};

class ServeConfig : public ::testing::Test {
 protected:
  void SetUp() override {
    rpc::TestAuthority authority;
    const rpc::Issued issued = authority.Issue();
    for (const char* which : {"1", "2", "3"}) {
      rpc::WriteSecret(File("cert", which), issued.certificate);
      rpc::WriteSecret(File("key", which), issued.key);
      rpc::WriteSecret(File("ca", which), authority.pem());
      ASSERT_EQ(::mkdir(File("backups", which).c_str(), 0700), 0);
    }
  }

  [[nodiscard]] std::string File(const std::string& name, const std::string& which) const {
    return dir_.file(name + which);
  }

  /// Of every setting there is.
  [[nodiscard]] std::map<std::string, Sample> Samples() const {
    const auto files = [this](const std::string& name) {
      return Sample{File(name, "1"), File(name, "2"), File(name, "3")};
    };
    return {{"grpc.address", {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}},
            {"http.address", {"[::1]:1", "", "localhost:3"}},
            {"tls.cert", files("cert")},
            {"tls.key", files("key")},
            {"tls.client_ca", files("ca")},
            {"limits.connections", {11, 12, 13}},
            {"limits.cut_pause_ms", {0, 1, 60'000}},
            {"limits.searches", {1, 2, 3}},
            {"limits.gather_us", {50, 0, 10'000}},
            {"limits.rate", {100, 0, 1'000'000}},
            {"limits.drain_ms", {0, 1, 3'600'000}},
            {"grpc.reflection", {true, false, true}},
            {"storage.durability", {"interval:5", "os", "sync"}},
            {"storage.backups", files("backups")},
            {"storage.threads", {2, 3, 4}},
            {"storage.memory_budget_bytes", {16'777'216, 0, 1'000'000'000}},
            {"storage.lock_memory", {true, false, true}},
            {"storage.background_nice", {1, 0, 19}},
            {"storage.seal_idle_ms", {1, 0, 3'600'000}},
            {"log.level", {"error", "warning", "debug"}},
            {"log.format", {"text", "json", "auto"}},
            {"log.slow_ms", {1, 2, 3}},
            {"audit.file", files("audit")},
            {"otlp.url", {"http://h:1/v1/traces", "https://h/x", "http://[::1]:4318/v1/traces"}},
            {"otlp.ratio", {0.25, 0, 1}}};
  }

  [[nodiscard]] ProgramOutput Check(const Words& more = {}) const {
    Words words = {"serve", db_, "--check-config"};
    words.insert(words.end(), more.begin(), more.end());
    return Leadline(words);
  }

  /// Writes the text into a file of settings and checks that.
  [[nodiscard]] ProgramOutput CheckFile(const std::string& text, const Words& more = {}) const {
    WriteFile(file_, text);
    Words words = {"--config", file_};
    words.insert(words.end(), more.begin(), more.end());
    return Check(words);
  }

  static void ExpectRefused(const ProgramOutput& output, const Words& expected) {
    EXPECT_EQ(output.exit_code, 2) << output.err;
    EXPECT_THAT(output.out, IsEmpty());
    for (const std::string& text : expected) {
      EXPECT_THAT(output.err, HasSubstr(text));
    }
  }

  TempDir dir_;
  const std::string db_ = dir_.file("db");
  const std::string file_ = dir_.file("leadline.toml");
};

std::string EnvironmentName(std::string key) {
  std::transform(key.begin(), key.end(), key.begin(), ::toupper);
  return "LEADLINE__" + key.replace(key.find('.'), 1, "__");
}

std::string TextOf(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// What `leadline help --json` says of the options of serve.
std::vector<Json> ServeArguments() {
  const Json help = Leadline({"help", "--json"}).OneJson();
  for (const Json& command : help["commands"]) {
    if (command["command"] == "serve") {
      return command["arguments"];
    }
  }
  return {};
}

TEST_F(ServeConfig, EverySettingHasAFlagAKeyAndAVariable) {
  const std::map<std::string, Sample> samples = Samples();
  std::set<std::string> without_key;
  size_t keys = 0;
  for (const Json& argument : ServeArguments()) {
    const auto key = argument["key"].get<std::string>();
    if (key.empty()) {
      without_key.insert(argument["name"]);
      continue;
    }
    ++keys;
    EXPECT_TRUE(samples.contains(key)) << key << " needs samples in this test";
    EXPECT_EQ(argument["environment"], EnvironmentName(key));
  }
  EXPECT_EQ(keys, samples.size());
  EXPECT_THAT(without_key, ::testing::UnorderedElementsAre("DB", "--config", "--check-config",
                                                           "--json", "--quiet"));
}

TEST_F(ServeConfig, AFlagCountsBeforeTheEnvironmentBeforeTheFileBeforeTheDefault) {
  const std::map<std::string, Sample> samples = Samples();
  std::string text;
  std::map<std::string, int> lines;
  int line = 0;
  for (const auto& [key, sample] : samples) {
    const size_t dot = key.find('.');
    if (text.find("[" + key.substr(0, dot) + "]") == std::string::npos) {
      text += "[" + key.substr(0, dot) + "]\n";
      ++line;
    }
    text += key.substr(dot + 1) + " = " + sample.file.dump() + "\n";
    lines[key] = ++line;
  }
  std::map<std::string, std::string> flags;
  std::map<std::string, std::string> defaults;
  for (const Json& argument : ServeArguments()) {
    flags[argument["key"]] = argument["name"];
    defaults[argument["key"]] = argument["default"];
  }
  const auto check = [&samples](const ProgramOutput& output, const auto& expect) {
    ASSERT_EQ(output.exit_code, 0) << output.err;
    const Json report = output.OneJson();
    EXPECT_EQ(report["settings"].size(), samples.size());
    for (const Json& setting : report["settings"]) {
      expect(setting, setting["key"].get<std::string>());
    }
  };
  check(Check({"--json"}), [&](const Json& setting, const std::string& key) {
    EXPECT_EQ(setting["source"], "default") << key;
    const bool flag = setting["value"].is_boolean();  // which says no default
    EXPECT_EQ(TextOf(setting["value"]), flag ? "false" : defaults[key]);
  });
  const ProgramOutput from_file = CheckFile(text, {"--json"});
  check(from_file, [&](const Json& setting, const std::string& key) {
    EXPECT_EQ(setting["value"], samples.at(key).file) << key;
    EXPECT_EQ(setting["source"], "file");
    EXPECT_EQ(setting["where"], file_ + ":" + std::to_string(lines[key]));
  });
  std::vector<std::unique_ptr<Environment>> variables;
  Words words = {"--json"};
  for (const auto& [key, sample] : samples) {
    variables.push_back(
        std::make_unique<Environment>(EnvironmentName(key), TextOf(sample.environment)));
    words.push_back(flags[key]);
    if (!sample.flag.is_boolean()) {
      words.push_back(TextOf(sample.flag));
    }
  }
  check(CheckFile(text, {"--json"}), [&](const Json& setting, const std::string& key) {
    EXPECT_EQ(setting["value"], samples.at(key).environment) << key;
    EXPECT_EQ(setting["source"], "environment");
    EXPECT_EQ(setting["where"], EnvironmentName(key));
  });
  check(CheckFile(text, words), [&](const Json& setting, const std::string& key) {
    EXPECT_EQ(setting["value"], samples.at(key).flag) << key;
    EXPECT_EQ(setting["source"], "flag");
    EXPECT_EQ(setting["where"], flags[key]);
  });
}

TEST_F(ServeConfig, WrongFilesNameLineKeyValueAndLimit) {
  struct Case {
    std::string text;
    Words expected;
  };

  const std::vector<Case> cases = {
      {"[grpc]\n\nadress = \"x\"\n",
       {":3: no such setting", "field=grpc.adress", "limit=grpc.address, grpc.reflection"}},
      {"# c\n[grcp]\n", {":2: no such section", "field=grcp", "limit=audit, grpc, http, limits"}},
      {"[tokens]\nadmin = \"hunter2\"\n", {":1: no such section", "field=tokens"}},
      {"address = \"127.0.0.1:1\"\n", {":1: stands in no section", "field=address"}},
      {"[grpc]\naddress = 7701\n",
       {":2: wrong type", "field=grpc.address", "value=7701 (a whole number)", "limit=a text"}},
      {"[limits]\nrate = \"5\"\n",
       {":2: wrong type", "field=limits.rate", "value=5 (a text)", "limit=a whole number"}},
      {"[limits]\nrate = 1.0\n", {":2: wrong type", "limit=a whole number"}},
      {"[limits]\nrate = true\n", {":2: wrong type", "value=true (true or false)"}},
      {"[limits]\nrate = [1]\n", {":2: wrong type", "value=a list"}},
      {"[limits]\nrate = 2020-01-01\n", {":2: wrong type", "value=a date or time"}},
      {"[limits.more]\nx = 1\n", {":1: wrong type", "field=limits.more", "value=a table"}},
      {"[[limits]]\nrate = 1\n", {":1: stands in no section"}},
      {"[grpc]\nreflection = 1\n", {":2: wrong type", "limit=true or false"}},
      {"[limits]\nrate = -1\n", {":2: ", "field=limits.rate value=-1 limit=[0, 1000000]"}},
      {"[limits]\n\nrate = 1000001\n", {":3: ", "value=1000001 limit=[0, 1000000]"}},
      {"[storage]\nthreads = 0\n", {":2: ", "field=storage.threads value=0 limit=[1, "}},
      {"[storage]\nmemory_budget_bytes = 16777215\n",
       {":2: ", "storage.memory_budget_bytes", "value=16777215", "limit=0 or at least 16777216"}},
      {"[storage]\nmemory_budget_bytes = 1125899906842625\n",
       {":2: ", "value=1125899906842625 limit=[0, 1125899906842624]"}},
      {"[storage]\nseal_idle_ms = 3600001\n", {":2: ", "limit=[0, 3600000]"}},
      {"[otlp]\nratio = 1.5\n", {":2: ", "field=otlp.ratio value=1.5 limit=[0, 1]"}},
      {"[otlp]\nratio = nan\n", {":2: ", "field=otlp.ratio value=nan"}},
      {"[log]\nlevel = \"loud\"\n",
       {":2: unknown word", "field=log.level value=loud limit=error|warning|info|debug"}},
      {"[grpc]\naddress = \"\"\n", {":2: must not be empty", "field=grpc.address"}},
      {"[tls]\ncert = \"a\\u0000b\"\n", {":2: holds a byte 0", "field=tls.cert"}},
      {"[grpc]\naddress = \"a\"\naddress = \"b\"\n", {":3: not TOML"}},
      {"[grpc\n", {":1: not TOML"}},
      {std::string("[grpc]\n\xff\n"), {"not TOML"}},
      {"[grpc]\naddress = \"nowhere\"\n", {":2: grpc.address: not an address", "value=nowhere"}},
      {"[grpc]\naddress = \"0.0.0.0:1\"\n",
       {":2: grpc.address: address that other machines reach", "value=0.0.0.0:1", "TLS"}},
      {"[http]\naddress = \"0.0.0.0:1\"\n", {":2: http.address: ", "value=0.0.0.0:1"}},
      {"[tls]\ncert = \"" + dir_.file("none") + "\"\nkey = \"" + dir_.file("none") + "\"\n",
       {":2: tls.cert: ", dir_.file("none")}},
      {"[storage]\ndurability = \"interval:0\"\n",
       {":2: storage.durability: ", "value=0 limit=[1, 60000]"}},
      {"[otlp]\nurl = \"ftp://h\"\n", {":2: otlp.url: ", "value=ftp://h"}},
      {"[otlp]\nurl = \"http://user:hunter2@h/v1/traces\"\n", {":2: otlp.url: ", "not shown"}},
      {"[limits]\nconnections = 1000000000\n", {":2: ", "field=limits.connections"}},
  };
  for (const Case& wrong : cases) {
    const ProgramOutput output = CheckFile(wrong.text);
    ExpectRefused(output, wrong.expected);
    EXPECT_THAT(output.err, HasSubstr(file_ + ":")) << wrong.text;
    EXPECT_THAT(output.err, ::testing::Not(HasSubstr("hunter2")));
    // So does the server itself.
    const ProgramOutput served = Leadline({"serve", db_, "--config", file_});
    EXPECT_EQ(served.exit_code, 2) << wrong.text;
    EXPECT_EQ(served.err, output.err);
  }
  const ProgramOutput backups = CheckFile("[storage]\nbackups = \"" + dir_.file("none") + "\"\n");
  EXPECT_EQ(backups.exit_code, 4);
  EXPECT_THAT(backups.err, HasSubstr(":2: storage.backups: no directory"));
  const ProgramOutput audit = CheckFile("[audit]\nfile = \"" + dir_.file("none/log") + "\"\n");
  EXPECT_EQ(audit.exit_code, 4);
  EXPECT_THAT(audit.err, HasSubstr(":2: audit.file: no directory"));
  ExpectRefused(Check({"--config", dir_.file("none")}), {"--config", "none"});
  EXPECT_EQ(Check({"--config", dir_.path()}).exit_code, 4);
  ExpectRefused(CheckFile("[limits]\nrate = -1\n", {"--rate", "5"}), {":2: ", "value=-1"});
  EXPECT_NE(::access(db_.c_str(), F_OK), 0) << "a refused server made the database";
}

TEST_F(ServeConfig, WrongVariablesAreNamed) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"LEADLINE__LIMITS__RATES", "5"},
      {"LEADLINE__", "5"},
      {"LEADLINE__RATE", "5"},
      {"LEADLINE__limits__rate", "5"},
      {"LEADLINE__LIMITS__RATE", "many"},
      {"LEADLINE__LIMITS__RATE", ""},
      {"LEADLINE__GRPC__REFLECTION", "yes"},
      {"LEADLINE__STORAGE__DURABILITY", "never"},
      {"LEADLINE__GRPC__ADDRESS", "0.0.0.0:1"}};
  for (const auto& [name, value] : wrong) {
    const Environment set(name, value);
    ExpectRefused(Check(), {name});
  }
  // Others' names, and other commands.
  const Environment other("LEADLINE_SOMETHING", "x");
  EXPECT_EQ(Check().exit_code, 0);
  const Environment ours("LEADLINE__LIMITS__RATES", "5");
  EXPECT_EQ(Leadline({"info"}).exit_code, 0);
}

TEST_F(ServeConfig, CheckingOpensAndChangesNothing) {
  const ProgramOutput table = CheckFile("[limits]\nrate = 5\n");
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_THAT(table.out, AllOf(HasSubstr("limits.rate"), HasSubstr(file_ + ":2")));
  EXPECT_NE(::access(db_.c_str(), F_OK), 0) << "it made the database";
  EXPECT_EQ(Check({"--audit", dir_.file("audit")}).exit_code, 0);
  EXPECT_NE(::access(dir_.file("audit").c_str(), F_OK), 0) << "it made the audit log";

  // Neither the lock of the database nor the port is wanted.
  const ServedProgram served(db_);
  const std::string taken = "127.0.0.1:" + std::to_string(served.port());
  EXPECT_EQ(Check({"--grpc", taken, "--http", ""}).exit_code, 0);

  WriteFile(db_ + "/tokens.json", "not tokens");
  EXPECT_EQ(Check().exit_code, 4);
}

TEST_F(ServeConfig, OthersReachItOnlyWithTlsAndAToken) {
  const std::string text = "[grpc]\naddress = \"0.0.0.0:0\"\n[tls]\ncert = \"" + File("cert", "1") +
                           "\"\nkey = \"" + File("key", "1") + "\"\n";
  ExpectRefused(CheckFile(text), {":2: grpc.address: ", "token"});
  ASSERT_EQ(Leadline({"create", db_, "c", "--dim", "2", "--metric", "l2"}).exit_code, 0);
  ASSERT_EQ(Leadline({"token", "create", db_}).exit_code, 0);
  EXPECT_EQ(CheckFile(text).exit_code, 0);
  ASSERT_EQ(::chmod(File("key", "1").c_str(), 0644), 0);
  ExpectRefused(CheckFile(text), {":5: tls.key: ", "--tls-key"});
}

TEST_F(ServeConfig, TheServerDoesWhatTheFileSays) {
  WriteFile(file_, "[grpc]\naddress = \"unix:" + dir_.file("socket") +
                       "\"\nreflection = true\n[http]\naddress = \"\"\n[audit]\nfile = \"" +
                       dir_.file("audit") + "\"\n[log]\nformat = \"json\"\nlevel = \"error\"\n");
  RunningProgram server({"serve", db_, "--config", file_, "--json"});
  std::string line;
  ASSERT_TRUE(server.ReadLine(&line));
  const Json ready = Json::parse(line, nullptr, false);
  EXPECT_EQ(ready["grpc"], "unix:" + dir_.file("socket"));
  EXPECT_FALSE(ready.contains("http"));
  EXPECT_EQ(Leadline({"create", "c", "--dim", "2", "--metric", "l2", "--remote",
                      "unix:" + dir_.file("socket")})
                .exit_code,
            0);
  server.Signal(SIGTERM);
  const ProgramOutput output = server.Wait();
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_THAT(output.err, IsEmpty());
  EXPECT_THAT(ReadFile(dir_.file("audit")), HasSubstr("Collections/Create"));
}

TEST_F(ServeConfig, TheServerMayOpenAllTheFilesItMayAtAll) {
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few = {256, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  ServedProgram served(db_);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit after = {};
  ASSERT_EQ(::prlimit(served.program().pid(), RLIMIT_NOFILE, nullptr, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
}

TEST_F(ServeConfig, ThePackagedFileHasEverySettingAndIsTaken) {
  const std::string path = LEADLINE_SOURCE_DIR "/packaging/leadline.toml";
  const ProgramOutput output =
      Check({"--config", path, "--backups", dir_.path(), "--audit", dir_.file("audit"), "--json"});
  EXPECT_EQ(output.exit_code, 0) << output.err;
  std::map<std::string, std::string> defaults;
  for (const Json& argument : ServeArguments()) {
    if (!argument["key"].get<std::string>().empty()) {
      defaults[argument["key"]] = argument["default"];
    }
  }
  std::string section;
  std::set<std::string> found;
  std::ifstream file(path);
  static const std::regex entry(R"re((#?)([a-z_]+) = "?([^"]*)"?)re");
  for (std::string line; std::getline(file, line);) {
    std::smatch parts;
    if (line.starts_with('[')) {
      section = line.substr(1, line.size() - 2);
    } else if (std::regex_match(line, parts, entry)) {
      const std::string key = section + "." + parts[2].str();
      found.insert(key);
      EXPECT_TRUE(defaults.contains(key)) << line;
      if (parts[1] == "#" && parts[3] != "false") {
        EXPECT_EQ(parts[3], defaults[key]) << line;
      }
    }
  }
  EXPECT_EQ(found.size(), defaults.size());
}

TEST_F(ServeConfig, AHangupEndsNoServerWithoutATerminal) {
  RunningProgram server(
      {"serve", db_, "--http", "", "--grpc", "unix:" + dir_.file("socket"), "--json"});
  std::string line;
  ASSERT_TRUE(server.ReadLine(&line));
  const int terminal = ::open("/dev/tty", O_RDONLY | O_NOCTTY);
  if (terminal >= 0) {
    ::close(terminal);
    GTEST_SKIP() << "this test has a terminal, and so has the server";
  }
  server.Signal(SIGHUP);
  EXPECT_EQ(Leadline({"list", "--remote", "unix:" + dir_.file("socket")}).exit_code, 0);
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait().exit_code, 0);
}

TEST_F(ServeConfig, TheDocumentedTableIsThatOfTheProgram) {
  const ProgramOutput table = Leadline({"help", "--settings"});
  ASSERT_EQ(table.exit_code, 0);
  EXPECT_THAT(ReadFile(LEADLINE_SOURCE_DIR "/docs/service.md"), HasSubstr(table.out))
      << "run: leadline help --settings, and put that into docs/service.md";
}

}  // namespace
}  // namespace leadline::testing
