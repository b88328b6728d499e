// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc

/// What a child process may use, and as whom it runs.
package struct ChildConditions: Sendable, Hashable {
    /// An account of this machine.
    package struct User: Sendable, Hashable {
        package var user: UInt32
        package var group: UInt32
        /// All of its groups.
        package var groups: [UInt32]

        /// An account by its numbers.
        package init(user: UInt32, group: UInt32, groups: [UInt32]) {
            self.user = user
            self.group = group
            self.groups = groups
        }
    }

    /// A step of the start of a process that can fail.
    package enum Step: Sendable, Hashable {
        /// The file, its interpreter, a process at all.
        case start
        case memory
        case niceness
        case user
        case directory
    }

    /// Bytes of private memory; nil: as much as there is.
    package var memory: UInt64?
    /// What is added to its niceness.
    package var niceness = 0
    /// Nil: the user of this process.
    package var user: User?

    /// A process like this one.
    package init() {}

    var isEmpty: Bool { memory == nil && niceness == 0 && user == nil }

    /// Runs `body` with the conditions as C knows them.
    func withConduct<Result>(_ body: (UnsafePointer<clinux_conduct>) -> Result) -> Result {
        (user?.groups ?? []).withUnsafeBufferPointer { groups in
            var conduct = clinux_conduct(
                memory: memory ?? 0, nice: Int32(niceness), changes_user: user == nil ? 0 : 1, user: user?.user ?? 0,
                group: user?.group ?? 0, groups: groups.baseAddress, group_count: Int32(groups.count))
            return body(&conduct)
        }
    }
}

extension ChildConditions.Step {
    init(_ step: clinux_step) {
        switch step {
        case CLINUX_STEP_MEMORY: self = .memory
        case CLINUX_STEP_NICE: self = .niceness
        case CLINUX_STEP_USER: self = .user
        case CLINUX_STEP_DIRECTORY: self = .directory
        default: self = .start
        }
    }
}
