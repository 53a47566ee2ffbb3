// A Result that nobody looks at does not compile.
#include "leadline/core/status.h"

leadline::Result<int> Work();

int Caller() {
#ifdef MISTAKE
  Work();
  return 0;
#else
  return *Work();
#endif
}
