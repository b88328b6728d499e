// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

extension AttemptOutcome {
    /// The outcome without what must not be shown in its message. Outputs are data, and stay as they are.
    package func masked(by mask: SecretMask) -> AttemptOutcome {
        switch self {
        case .success, .cancelled: self
        case .failure(let message, let retryable, let delay):
            .failure(message: mask.masked(message), retryable: retryable, retryAfter: delay)
        case .skipped(let message): .skipped(message: mask.masked(message))
        }
    }
}

extension BundleMessage {
    /// The message without what must not be shown in what people will read: lines, failures, problems.
    package func masked(by mask: SecretMask) -> BundleMessage {
        switch self {
        case .result(let dispatchID, let outcome): return .result(dispatchID: dispatchID, outcome.masked(by: mask))
        case .log(let dispatchID, let lines): return .log(dispatchID: dispatchID, lines.map { $0.masked(by: mask) })
        case .rendered(let dispatchID, let fields):
            return .rendered(dispatchID: dispatchID, fields.map { RenderedField($0.name, mask.masked($0.text)) })
        case .source(var source):
            source.text = mask.masked(source.text)
            return .source(source)
        case .trigger(let run, .log(let lines)): return .trigger(run, .log(lines.map { $0.masked(by: mask) }))
        case .trigger(let run, .failed(let reason, let message)):
            return .trigger(run, .failed(reason, message: mask.masked(message)))
        case .ticks(var told):
            told.problem = told.problem.map(mask.masked)
            return .ticks(told)
        case .described(var description):
            description.problems = description.problems.map(mask.masked)
            return .described(description)
        default: return self
        }
    }
}

extension LogLine {
    package func masked(by mask: SecretMask) -> LogLine {
        LogLine(at: at, level: level, message: mask.masked(message))
    }
}
