#pragma once

/// Everything that storing and searching need. Beside it: leadline/text/embedder.h, and
/// leadline/core/file_system.h and clock.h for a program that brings its own.

#include "leadline/core/collection.h"
#include "leadline/core/database.h"
#include "leadline/core/filter.h"
#include "leadline/core/options.h"
#include "leadline/core/record.h"
#include "leadline/core/search.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
