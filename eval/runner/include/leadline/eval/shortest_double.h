#pragma once

namespace leadline::eval {

/// A float as the double with its shortest decimal form: .9f gives 0.9, not 0.8999999761581421.
/// Casting back gives the same float.
double ShortestDouble(float value);

}  // namespace leadline::eval
