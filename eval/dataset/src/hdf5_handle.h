#pragma once

#include <utility>

#include <hdf5.h>

namespace leadline::eval {

/// Owns an HDF5 identifier.
class Hdf5Handle {
 public:
  Hdf5Handle() = default;

  Hdf5Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}

  Hdf5Handle(const Hdf5Handle&) = delete;
  Hdf5Handle& operator=(const Hdf5Handle&) = delete;

  Hdf5Handle(Hdf5Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}

  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }

  ~Hdf5Handle() {
    if (id_ >= 0) {
      close_(id_);
    }
  }

  [[nodiscard]] bool ok() const { return id_ >= 0; }

  [[nodiscard]] hid_t get() const { return id_; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  herr_t (*close_)(hid_t) = nullptr;
};

}  // namespace leadline::eval
