// Prints the API of the service as rpc/proto/released.txt keeps it.

#include <cstdio>

#include "api_listing.h"
#include "leadline/rpc/method_table.h"

int main() {
  // Brings the descriptors of all services into the program.
  if (leadline::rpc::Methods().empty()) {
    return 1;
  }
  std::puts("# The API as the last release had it: see README.md. leadline_release_api writes it.");
  std::fputs(leadline::rpc::ToText(leadline::rpc::ListApi(leadline::rpc::ServedFiles())).c_str(),
             stdout);
  return 0;
}
