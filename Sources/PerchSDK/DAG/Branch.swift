// SPDX-License-Identifier: Apache-2.0

/// Some outputs of a task, for `after:`: what comes after them runs when the task gave one of them, and is skipped when it
/// gave another.
///
/// ```swift
/// enum Size: String, Codable { case small, large }
///
/// let size = dag.task("measure") { context in try await measure() > 1_000_000 ? Size.large : .small }
/// let quick = dag.task("in_memory", after: size.when(.small)) { … }
/// let slow = dag.task("on_cluster", after: size.when(.large)) { … }
/// dag.empty("join", after: quick, slow, triggerRule: .noneFailedMinOneSuccess)
/// ```
public struct BranchReference: AnyTaskReference {
    /// The task that decides, with the outputs that are meant.
    public let anchors: [TaskAnchor]

    init(_ anchors: [TaskAnchor], _ outputs: [String]) {
        self.anchors = anchors.map { anchor in
            var anchor = anchor
            anchor.outputs = outputs
            return anchor
        }
    }
}

extension TaskReference where Output: RawRepresentable, Output.RawValue == String {
    /// The task, as long as it gave one of these.
    public func when(_ choices: Output...) -> BranchReference { BranchReference(anchors, choices.map(\.rawValue)) }
}

extension TaskReference where Output == Bool {
    /// The task, as long as it gave this.
    public func when(_ answer: Bool) -> BranchReference { BranchReference(anchors, [answer ? "true" : "false"]) }
}

extension TaskReference {
    /// The task, as long as one of these is among what it gave: a branch that takes several ways at once.
    public func when<Choice: RawRepresentable>(_ choices: Choice...) -> BranchReference
    where Output == [Choice], Choice.RawValue == String {
        BranchReference(anchors, choices.map(\.rawValue))
    }
}
