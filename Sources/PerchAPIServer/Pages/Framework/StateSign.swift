// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// A state as pages show it: by its word, a symbol and a colour, never by the colour alone.
protocol StateSign: Sendable {
    /// The word, and the name of the colour.
    var rawValue: String { get }
    var symbol: String { get }
}

extension TaskState: StateSign {
    var symbol: String {
        switch self {
        case .none: "·"
        case .scheduled: "○"
        case .queued: "≡"
        case .running: "▸"
        case .deferred: "◔"
        case .upForRetry: "↻"
        case .success: "✓"
        case .failed: "✕"
        case .skipped: "»"
        case .upstreamFailed: "⊘"
        case .removed: "−"
        }
    }
}

extension RunState: StateSign {
    var symbol: String {
        switch self {
        case .queued: TaskState.queued.symbol
        case .running: TaskState.running.symbol
        case .success: TaskState.success.symbol
        case .failed: TaskState.failed.symbol
        }
    }
}

extension HTML {
    /// The word behind its symbol.
    static func state(_ state: any StateSign) -> HTML {
        "<span class=\"st \(state.rawValue)\"><i aria-hidden=\"true\">\(state.symbol)</i>\(state.rawValue)</span>"
    }

    /// The symbol alone, as a link; `words` say what it is to whoever does not see it, or points at it.
    static func mark(_ state: any StateSign, to path: String, _ words: String) -> HTML {
        """
        <a class="m \(state.rawValue)" href="\(exact: path)" title="\(words)" aria-label="\(words)">\(state.symbol)</a>
        """
    }

    /// What the symbols mean.
    static func legend(_ states: [TaskState]) -> HTML {
        let items = states.map { state -> HTML in "<li>\(HTML.state(state))</li>" }
        return "<ul class=\"legend\" aria-label=\"What the symbols mean\">\(items)</ul>"
    }
}
