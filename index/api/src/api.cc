#include "leadline/index/segment_index.h"
#include "leadline/index/top_k.h"
