// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import PerchMetastore
internal import PerchSDK
internal import Synchronization

/// Asks the triggerers of the home about waits: all of them at the same time, each question on a thread of its own, for one
/// that hangs holds its thread up for two seconds. Nobody stands in line behind that: where too many threads are held up,
/// a question is not asked at all.
final class ExplanationDesk: Sendable {
    private static let mostThreads = 16

    private struct Question: Sendable {
        /// Triggerers that have not answered.
        var left: Int
        var fault: (any Error)?
        var answer: CheckedContinuation<Result<WaitExplanation?, any Error>, Never>?
    }

    private let busy = Mutex(0)
    /// The inspection sockets that there are.
    private let places: @Sendable () -> [String]

    init(places: @escaping @Sendable () -> [String]) { self.places = places }

    /// That for the triggerers of a home.
    convenience init(of home: Home) {
        self.init { [paths = home.paths] in paths.inspections() }
    }

    /// What the triggerer that has the wait says; nil where none has it, or none answers.
    /// - Throws: `PerchError` with what a triggerer answers that it cannot say, and `unavailable` where too many questions have
    ///   no answer yet.
    func ask(_ waitID: Int64) async throws -> WaitExplanation? {
        let paths = places()
        guard !paths.isEmpty else { return nil }
        let isFree = busy.withLock { busy in
            guard busy + paths.count <= max(Self.mostThreads, paths.count) else { return false }
            busy += paths.count
            return true
        }
        guard isFree else {
            throw PerchError(.unavailable, "triggerers that were asked before have not answered yet")
        }
        let answer = await withCheckedContinuation { continuation in
            let question = Pending(Question(left: paths.count, answer: continuation))
            for path in paths {
                // A queue of its own has a thread of its own, also where others are held up.
                DispatchQueue(label: "perch-api-question").async {
                    question.take(Result { try Self.ask(waitID, at: path) })
                    self.busy.withLock { $0 -= 1 }
                }
            }
        }
        return try answer.get()
    }

    /// Asks one triggerer, at its inspection socket; nil where it does not answer, or does not have the wait.
    private static func ask(_ waitID: Int64, at path: String) throws -> WaitExplanation? {
        guard case .document(let answer)? = try EngineLine.ask(["explain": .integer(waitID)], at: path),
            let explanation = answer["explanation"], explanation != .null
        else { return nil }
        return try explanation.decode(WaitExplanation.self)
    }

    /// A question that several triggerers are asked: the first that has the wait answers it.
    private final class Pending: Sendable {
        private let question: Mutex<Question>

        init(_ question: Question) { self.question = Mutex(question) }

        func take(_ result: Result<WaitExplanation?, any Error>) {
            typealias Told = (
                answer: CheckedContinuation<Result<WaitExplanation?, any Error>, Never>,
                outcome: Result<WaitExplanation?, any Error>
            )
            let told = question.withLock { question -> Told? in
                question.left -= 1
                var outcome: Result<WaitExplanation?, any Error>?
                switch result {
                case .success(let explanation?): outcome = .success(explanation)
                case .success(nil): break
                case .failure(let error): question.fault = question.fault ?? error
                }
                if outcome == nil, question.left == 0 {
                    outcome = question.fault.map { .failure($0) } ?? .success(nil)
                }
                guard let outcome, let answer = question.answer else { return nil }
                question.answer = nil
                return (answer, outcome)
            }
            if let told { told.answer.resume(returning: told.outcome) }
        }
    }
}
