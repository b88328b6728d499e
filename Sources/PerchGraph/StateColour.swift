// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension TaskState {
    /// The colour by which the field knows the state, under its name in SVG and Graphviz.
    public var colour: String {
        switch self {
        case .none: "lightblue"
        case .scheduled: "tan"
        case .queued: "gray"
        case .running: "lime"
        case .deferred: "mediumpurple"
        case .upForRetry: "gold"
        case .success: "green"
        case .failed: "red"
        case .skipped: "hotpink"
        case .upstreamFailed: "orange"
        case .removed: "lightgrey"
        }
    }

    /// The same among the 256 colours of terminals.
    public var terminalColour: Int {
        switch self {
        case .none: 152
        case .scheduled: 180
        case .queued: 244
        case .running: 46
        case .deferred: 98
        case .upForRetry: 220
        case .success: 34
        case .failed: 196
        case .skipped: 205
        case .upstreamFailed: 208
        case .removed: 252
        }
    }

    /// Whether white letters can be read on its colour.
    var isDark: Bool {
        switch self {
        case .success, .failed, .deferred, .queued: true
        default: false
        }
    }
}
