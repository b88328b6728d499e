// SPDX-License-Identifier: Apache-2.0

/// Who asks, and what they may do.
struct Caller: Sendable {
    /// Whom what is done is recorded of.
    var name: String
    var right: APIRight
}
