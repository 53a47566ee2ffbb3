#pragma once

/// The API of the service as lines of text, one for each thing that a client may rest on, and what
/// of a released API another one breaks.

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <google/protobuf/descriptor.h>

namespace leadline::rpc {

/// What stands before the colon of a line: "field leadline.v1.Hit" and 1, "method /a.B/C" and 0.
using ApiElement = std::pair<std::string, int>;
/// With what stands behind it: "id string".
using ApiListing = std::map<ApiElement, std::string>;

/// All messages, fields, enumerations, methods, routes, bounds and reservations of `files`.
ApiListing ListApi(const std::vector<const google::protobuf::FileDescriptor*>& files);

std::string ToText(const ApiListing& listing);
/// The reverse of ToText; lines with # at the start are comments.
ApiListing ParseListing(std::string_view text);

/// One line for each thing of `released` that a client could rest on and that `current` does not
/// keep. Additions break nothing, but for fields that must be set in messages that were there
/// before.
std::vector<std::string> BreaksOf(const ApiListing& released, const ApiListing& current);

/// The files of rpc/proto in this program, from the names in its folder.
std::vector<const google::protobuf::FileDescriptor*> ServedFiles();

}  // namespace leadline::rpc
