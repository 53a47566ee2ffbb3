#pragma once

/// The directory in which a copy of a database is made. Until it is whole it holds a file
/// UNFINISHED and is refused by every open; from then on, until it has its name, a file FINISHED.
/// Either says that the directory is ours to delete.

#include <string>

#include "leadline/core/file_system.h"
#include "leadline/core/status.h"

namespace leadline::engine {

/// kFailedPrecondition when `directory` is a copy that is not whole; names the file that says so.
Status RefuseUnfinishedCopy(FileSystem* fs, const std::string& directory);

/// Makes `partial` anew. kAlreadyExists when something is there that no earlier copy left.
Status StartPartialCopy(FileSystem* fs, const std::string& partial);

/// Gives the whole copy in `partial` the name `to`, durably. After an error at most `partial` is
/// left; where `to` could not be deleted again the message says so.
Status FinishPartialCopy(FileSystem* fs, const std::string& partial, const std::string& to);

/// Deletes a copy that is not to be. Interrupted, it leaves one that is refused and ours to delete.
Status DiscardPartialCopy(FileSystem* fs, const std::string& directory);

}  // namespace leadline::engine
