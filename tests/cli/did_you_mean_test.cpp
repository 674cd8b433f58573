// Words that nothing takes: each is named, with what was meant.
#include "cli/did_you_mean.h"

#include <algorithm>

#include "cli/run_program.h"
#include "support/catch.h"

namespace flashjit::test {
namespace {

TEST_CASE("a word that nothing takes is one line that names it and what was meant") {
  const auto [arguments, said] = GENERATE(table<std::string, std::string>(
      {{"inpect", "there is no command 'inpect'; did you mean 'inspect'?"},
       {"inpect fwd_simt_fp16_d64_m64n64 --sass",
        "there is no command 'inpect'; did you mean 'inspect'?"},
       {"inpect list", "there is no command 'inpect'; did you mean 'inspect'?"},
       {"cache lst", "there is no command 'lst' of cache; did you mean 'list'?"},
       {"cache foo",
        "there is no command 'foo' of cache; there are list, stats, verify, clear, gc"},
       {"bench --headdim 128",
        "there is no option '--headdim' of bench; did you mean '--head-dim'?"},
       {"bench --headdim=128",
        "there is no option '--headdim' of bench; did you mean '--head-dim'?"},
       {"bench 128 --headdim",
        "there is no option '--headdim' of bench; did you mean '--head-dim'?"},
       // Also where a required argument is missing.
       {"inspect --sas", "there is no option '--sas' of inspect; did you mean '--sass'?"},
       {"cache list --jsn", "there is no option '--jsn' of cache list; did you mean '--json'?"},
       {"list --frobnicate",
        "there is no option '--frobnicate' of list; `flashjit list --help` lists them"},
       {"--frobnicate", "there is no option '--frobnicate'; `flashjit --help` lists them"},
       {"--json list", "'--json' goes behind the command: `flashjit list --json`"},
       {"doctor gpu", "doctor takes no 'gpu'; `flashjit doctor --help` lists what it takes"}}));
  const ProgramRun run = run_program(arguments);
  INFO(arguments);
  CHECK(run.exit_code == 2);
  CHECK(run.out.empty());
  CHECK(run.err == "flashjit: " + said + "\n");
}

TEST_CASE("a command that is near to none gets the list of those that --help shows") {
  const ProgramRun run = run_program("dance");
  CHECK(run.exit_code == 2);
  CHECK_THAT(run.err,
             ContainsSubstring("there is no command 'dance'; there are demo, doctor, list, ") &&
                 !ContainsSubstring("tune-worker"));
  CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
}

TEST_CASE("what is missing or wrong in itself is still told") {
  CHECK_THAT(run_program("inspect").err, ContainsSubstring("VARIANT is required"));
  CHECK_THAT(run_program("list --dtype int8").err, ContainsSubstring("int8"));
  CHECK_THAT(run_program("").err, ContainsSubstring("subcommand is required"));
}

TEST_CASE("only a typing mistake is near") {
  using cli::nearest_name;
  CHECK(nearest_name("lst", {"list", "stats"}) == "list");
  CHECK(nearest_name("stast", {"list", "stats"}) == "stats");
  CHECK(nearest_name("foo", {"gc"}).empty());
  CHECK(nearest_name("--hads", {"--head-dim", "--heads"}) == "--heads");
  CHECK(nearest_name("ab", {"aa", "ac"}) == "aa");
  CHECK(nearest_name("anything", {}).empty());
}

}  // namespace
}  // namespace flashjit::test
