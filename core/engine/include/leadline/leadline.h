#pragma once

/// Everything an application needs: open a database, write records, search, evaluate.

#include "leadline/core/collection.h"
#include "leadline/core/database.h"
#include "leadline/core/filter.h"
#include "leadline/core/options.h"
#include "leadline/core/record.h"
#include "leadline/core/search.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
