// A Status that nobody looks at does not compile.
#include "leadline/core/status.h"

leadline::Status Work();

void Caller() {
#ifdef MISTAKE
  Work();
#else
  Work().IgnoreError();
#endif
}
