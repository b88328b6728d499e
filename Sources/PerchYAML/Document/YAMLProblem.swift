// SPDX-License-Identifier: Apache-2.0

/// What is wrong at a place of a document.
struct YAMLProblem: Error, Hashable, Sendable {
    var place: YAMLPlace
    var message: String
}
