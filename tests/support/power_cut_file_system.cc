#include "power_cut_file_system.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "power_cut_files.h"

namespace leadline::testing {

namespace {

/// "/" itself, else without a trailing slash.
std::string Clean(std::string path) {
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  return path;
}

bool IsBelow(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() + 1 && path.compare(0, directory.size(), directory) == 0 &&
         path[directory.size()] == '/';
}

/// `bytes` with its unsynced blocks of `block` bytes kept or replaced by what was there before.
std::string KeepBlocks(const std::string& bytes, const std::string& synced, size_t dirty_from,
                       size_t block, Rng* rng) {
  size_t size = bytes.size();
  if (bytes.size() > synced.size()) {
    const uint64_t choice = rng->Uniform(3);
    if (choice == 0) {
      size = synced.size();
    } else if (choice == 1) {
      size = synced.size() + rng->Uniform(bytes.size() - synced.size() + 1);
    }
  }
  std::string left = synced;
  left.resize(size, '\0');
  for (size_t at = dirty_from / block * block; at < size; at += block) {
    if (rng->Uniform(2) == 0) {
      const size_t n = std::min(block, size - at);
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), n,
                  left.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
  return left;
}

}  // namespace

PowerCutFileSystem::PowerCutFileSystem() {
  auto root = std::make_shared<Node>();
  root->is_directory = true;
  names_["/"] = root;
  durable_["/"] = root;
}

PowerCutFileSystem::~PowerCutFileSystem() = default;

std::string PowerCutFileSystem::Leave(const Node& node, CutMode mode, Rng* rng) {
  if (mode == CutMode::kAnything) {
    mode = static_cast<CutMode>(rng->Uniform(static_cast<uint64_t>(CutMode::kLostNames)));
  }
  if (node.dirty_from == SIZE_MAX || mode == CutMode::kKeepAll || mode == CutMode::kLostNames) {
    return node.bytes;
  }
  // Tearing means a growing file; one that was overwritten or cut loses whole sectors instead.
  const bool grew = node.dirty_from >= node.synced.size();
  const size_t cut =
      node.dirty_from + static_cast<size_t>(rng->Uniform(
                            node.bytes.size() - std::min(node.bytes.size(), node.dirty_from) + 1));
  switch (mode) {
    case CutMode::kDropUnsynced:
      return node.synced;
    case CutMode::kTornTail:
      if (grew) {
        return node.bytes.substr(0, cut);
      }
      break;
    case CutMode::kZeroTail:
      if (grew) {
        std::string zeroed = node.bytes.substr(0, cut);
        zeroed.resize(node.bytes.size(), '\0');
        return zeroed;
      }
      break;
    default:
      break;
  }
  const size_t block = mode == CutMode::kRandomPages ? 4096 : 512;
  return KeepBlocks(node.bytes, node.synced, node.dirty_from, block, rng);
}

std::unique_ptr<PowerCutFileSystem> PowerCutFileSystem::Cut(CutMode mode, uint64_t seed) {
  Rng rng(seed);
  auto image = std::make_unique<PowerCutFileSystem>();
  MutexLock lock(&mutex_);
  Names left = durable_;
  for (const NameChange& change : pending_) {
    const bool kept =
        mode == CutMode::kKeepAll || (mode != CutMode::kDropUnsynced && rng.Uniform(2) == 0);
    if (kept) {
      Apply(change, &left);
    }
  }
  std::map<const Node*, std::shared_ptr<Node>> copies;  // hard links stay links
  MutexLock image_lock(&image->mutex_);
  for (const auto& [path, node] : left) {
    std::shared_ptr<Node>& copy = copies[node.get()];
    if (copy == nullptr) {
      copy = std::make_shared<Node>();
      copy->is_directory = node->is_directory;
      copy->bytes = Leave(*node, mode, &rng);
      copy->synced = copy->bytes;
      copy->modified = node->modified;
    }
    image->names_[path] = copy;
  }
  // A file whose directory's name is lost cannot be reached.
  for (auto it = image->names_.begin(); it != image->names_.end();) {
    const bool reachable = it->first == "/" || image->names_.count(DirectoryName(it->first)) > 0;
    it = reachable ? std::next(it) : image->names_.erase(it);
  }
  image->durable_ = image->names_;
  image->changes_ = changes_;
  image->free_space_ = free_space_;
  return image;
}

void PowerCutFileSystem::Materialise(const std::string& directory, const std::string& to) {
  MutexLock lock(&mutex_);
  std::filesystem::create_directories(to);
  for (const auto& [path, node] : names_) {
    if (!IsBelow(path, Clean(directory))) {
      continue;
    }
    const std::string target = to + path.substr(Clean(directory).size());
    if (node->is_directory) {
      std::filesystem::create_directories(target);
    } else {
      std::ofstream out(target, std::ios::binary | std::ios::trunc);
      out.write(node->bytes.data(), static_cast<std::streamsize>(node->bytes.size()));
    }
  }
}

uint64_t PowerCutFileSystem::syncs() const {
  MutexLock lock(&mutex_);
  return syncs_;
}

void PowerCutFileSystem::set_free_space(uint64_t bytes) {
  MutexLock lock(&mutex_);
  free_space_ = bytes;
}

void PowerCutFileSystem::BeforeSync() {
  uint64_t number = 0;
  {
    MutexLock lock(&mutex_);
    number = ++syncs_;
  }
  if (sync_hook_) {
    sync_hook_(number);
  }
}

Status PowerCutFileSystem::SyncFile(const std::shared_ptr<Node>& node) {
  BeforeSync();
  MutexLock lock(&mutex_);
  node->Sync();
  return {};
}

Status PowerCutFileSystem::SyncDirectory(const std::string& directory) {
  BeforeSync();
  MutexLock lock(&mutex_);
  std::vector<NameChange> rest;
  for (NameChange& change : pending_) {
    const bool here = (!change.removed.empty() && DirectoryName(change.removed) == directory) ||
                      (!change.added.empty() && DirectoryName(change.added) == directory);
    if (here) {
      Apply(change, &durable_);
    } else {
      rest.push_back(std::move(change));
    }
  }
  pending_ = std::move(rest);
  return {};
}

void PowerCutFileSystem::Apply(const NameChange& change, Names* names) {
  if (!change.removed.empty() && !change.added.empty() && change.node->is_directory) {
    Names moved;
    for (auto it = names->begin(); it != names->end();) {
      if (IsBelow(it->first, change.removed)) {
        moved[change.added + it->first.substr(change.removed.size())] = it->second;
        it = names->erase(it);
      } else {
        ++it;
      }
    }
    names->insert(moved.begin(), moved.end());
  }
  if (!change.removed.empty()) {
    names->erase(change.removed);
  }
  if (!change.added.empty()) {
    (*names)[change.added] = change.node;
  }
}

void PowerCutFileSystem::Change(NameChange change) {
  Apply(change, &names_);
  pending_.push_back(std::move(change));
  ++changes_;
}

Result<std::shared_ptr<PowerCutFileSystem::Node>> PowerCutFileSystem::FindFile(
    const std::string& path) {
  const auto found = names_.find(path);
  if (found == names_.end()) {
    return NotFoundError("no such file: path=" + path);
  }
  return found->second;
}

Status PowerCutFileSystem::CheckParent(const std::string& path) {
  const auto parent = names_.find(DirectoryName(path));
  return parent != names_.end() && parent->second->is_directory
             ? OkStatus()
             : NotFoundError("no such directory: path=" + DirectoryName(path));
}

Result<std::shared_ptr<PowerCutFileSystem::Node>> PowerCutFileSystem::Create(
    const std::string& path, bool truncate) {
  LEADLINE_RETURN_IF_ERROR(CheckParent(path));
  const auto found = names_.find(path);
  if (found != names_.end()) {
    if (truncate) {
      found->second->Resize(0);
      found->second->modified = ++changes_;
    }
    return found->second;
  }
  auto node = std::make_shared<Node>();
  Change({"", path, node});
  node->modified = changes_;
  return node;
}

Result<std::unique_ptr<SequentialFile>> PowerCutFileSystem::NewSequentialFile(
    const std::string& path) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, FindFile(path));
  return std::unique_ptr<SequentialFile>(
      std::make_unique<MemorySequentialFile>(PowerCutHandle(this, std::move(node))));
}

Result<std::unique_ptr<RandomAccessFile>> PowerCutFileSystem::NewRandomAccessFile(
    const std::string& path) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, FindFile(path));
  return std::unique_ptr<RandomAccessFile>(
      std::make_unique<MemoryRandomAccessFile>(PowerCutHandle(this, std::move(node))));
}

Result<std::unique_ptr<WritableFile>> PowerCutFileSystem::NewWritableFile(const std::string& path) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, Create(path, true));
  return std::unique_ptr<WritableFile>(
      std::make_unique<MemoryWritableFile>(PowerCutHandle(this, std::move(node)), 0));
}

Result<std::unique_ptr<WritableFile>> PowerCutFileSystem::NewAppendableFile(
    const std::string& path) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, Create(path, false));
  const uint64_t size = node->bytes.size();
  return std::unique_ptr<WritableFile>(
      std::make_unique<MemoryWritableFile>(PowerCutHandle(this, std::move(node)), size));
}

Result<std::unique_ptr<RandomRwFile>> PowerCutFileSystem::NewRandomRwFile(const std::string& path) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, FindFile(path));
  return std::unique_ptr<RandomRwFile>(
      std::make_unique<MemoryRandomRwFile>(PowerCutHandle(this, std::move(node))));
}

Result<std::unique_ptr<Directory>> PowerCutFileSystem::OpenDirectory(const std::string& path) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, FindFile(Clean(path)));
  return std::unique_ptr<Directory>(
      std::make_unique<MemoryDirectory>(PowerCutHandle(this, std::move(node)), Clean(path)));
}

Result<std::unique_ptr<MappedFile>> PowerCutFileSystem::MapFile(const std::string& path) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Node> node, FindFile(path));
  return std::unique_ptr<MappedFile>(std::make_unique<MemoryMappedFile>(node->bytes));
}

Status PowerCutFileSystem::FileExists(const std::string& path) {
  MutexLock lock(&mutex_);
  return FindFile(Clean(path)).status();
}

Result<std::vector<std::string>> PowerCutFileSystem::ListDirectory(const std::string& path) {
  const std::string directory = Clean(path);
  MutexLock lock(&mutex_);
  LEADLINE_RETURN_IF_ERROR(FindFile(directory).status());
  std::vector<std::string> names;
  for (const auto& [name, node] : names_) {
    if (name != directory && DirectoryName(name) == directory) {
      names.push_back(name.substr(name.rfind('/') + 1));
    }
  }
  return names;
}

Status PowerCutFileSystem::DeleteFile(const std::string& path) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Node> node, FindFile(path));
  if (node->is_directory) {
    return UnavailableError("is a directory: path=" + path);
  }
  Change({path, "", node});
  return {};
}

Status PowerCutFileSystem::TruncateFile(const std::string& path, uint64_t size) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Node> node, FindFile(path));
  node->Resize(size);
  node->modified = ++changes_;
  return {};
}

Status PowerCutFileSystem::CreateDirectory(const std::string& path) {
  MutexLock lock(&mutex_);
  LEADLINE_RETURN_IF_ERROR(CheckParent(Clean(path)));
  if (names_.count(Clean(path)) > 0) {
    return AlreadyExistsError("exists: path=" + path);
  }
  auto node = std::make_shared<Node>();
  node->is_directory = true;
  Change({"", Clean(path), std::move(node)});
  return {};
}

Status PowerCutFileSystem::DeleteDirectory(const std::string& path) {
  const std::string directory = Clean(path);
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Node> node, FindFile(directory));
  for (const auto& [name, other] : names_) {
    if (IsBelow(name, directory)) {
      return UnavailableError("directory not empty: path=" + path);
    }
  }
  Change({directory, "", node});
  return {};
}

Result<uint64_t> PowerCutFileSystem::FileSize(const std::string& path) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Node> node, FindFile(path));
  return static_cast<uint64_t>(node->bytes.size());
}

Result<bool> PowerCutFileSystem::IsDirectory(const std::string& path) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Node> node, FindFile(Clean(path)));
  return node->is_directory;
}

Result<uint64_t> PowerCutFileSystem::ModificationTime(const std::string& path) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Node> node, FindFile(path));
  return node->modified;
}

Status PowerCutFileSystem::RenameFile(const std::string& from, const std::string& to) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Node> node, FindFile(Clean(from)));
  LEADLINE_RETURN_IF_ERROR(CheckParent(Clean(to)));
  if (node->is_directory) {
    std::vector<NameChange> rest;
    for (NameChange& change : pending_) {
      if (IsBelow(change.removed, Clean(from)) || IsBelow(change.added, Clean(from))) {
        Apply(change, &durable_);
      } else {
        rest.push_back(std::move(change));
      }
    }
    pending_ = std::move(rest);
  }
  Change({Clean(from), Clean(to), node});
  return {};
}

Status PowerCutFileSystem::LinkFile(const std::string& from, const std::string& to) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Node> node, FindFile(from));
  LEADLINE_RETURN_IF_ERROR(CheckParent(to));
  if (names_.count(to) > 0) {
    return AlreadyExistsError("exists: path=" + to);
  }
  Change({"", to, node});
  return {};
}

Result<std::unique_ptr<FileLock>> PowerCutFileSystem::LockFile(const std::string& path) {
  MutexLock lock(&mutex_);
  if (locks_.count(path) > 0) {
    return FailedPreconditionError("lock held: path=" + path);
  }
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, Create(path, false));
  locks_[path] = true;
  return std::unique_ptr<FileLock>(
      std::make_unique<MemoryFileLock>(PowerCutHandle(this, std::move(node)), path));
}

Result<uint64_t> PowerCutFileSystem::FreeSpace(const std::string&) {
  MutexLock lock(&mutex_);
  return free_space_;
}

Result<std::string> PowerCutFileSystem::AbsolutePath(const std::string& path) {
  return !path.empty() && path[0] == '/' ? path : "/" + path;
}

}  // namespace leadline::testing
