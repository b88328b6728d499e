// SPDX-License-Identifier: Apache-2.0

/// What the code of simulated tasks really did, in order, whatever the engine believes.
///
/// It outlives every crash: it stands for the world outside.
package final class Ledger: @unchecked Sendable {  // because a simulation runs on one thread
    /// One thing that happened in a task's code.
    package enum Entry: Hashable, Sendable {
        /// A dispatch began to run.
        case began(AttemptName)
        /// The body of a step ran: an effect on the world, under the key that was handed to it.
        case stepRan(AttemptName, key: String, idempotencyKey: String, value: Int)
        /// A step gave its result to the code, so it is durable.
        case stepAnswered(AttemptName, key: String, value: Int)
        /// A wait gave its result to the code, so it is durable; nil: its timeout.
        case waitAnswered(AttemptName, key: String, answer: String?)
        case killRan(AttemptName)
        /// The code of a dispatch came to its end, in words.
        case ended(AttemptName, String)
    }

    /// A step or a wait of a try.
    package struct Place: Hashable, Sendable {
        package var attempt: AttemptName
        package var key: String
    }

    /// Everything, in order.
    package private(set) var entries: [Entry] = []
    /// The results that the code has seen.
    package private(set) var steps: [Place: Int] = [:]
    package private(set) var waits: [Place: String?] = [:]
    /// The same, in the order in which they were first seen.
    package private(set) var stepOrder: [Place] = []
    /// What the code has seen and must never see.
    package private(set) var violations: [Violation] = []
    private var idempotencyKeys: [Place: String] = [:]
    private var owners: [String: Place] = [:]
    private var lastValue = 0

    /// Nothing has happened.
    package init() {}

    /// How many entries there are of some kind.
    package func count(where matches: (Entry) -> Bool) -> Int { entries.count(where: matches) }

    func began(_ attempt: AttemptName) { entries.append(.began(attempt)) }
    func killRan(_ attempt: AttemptName) { entries.append(.killRan(attempt)) }
    func ended(_ attempt: AttemptName, _ words: String) { entries.append(.ended(attempt, words)) }

    /// Gives a value that no other execution gives: the one that is recorded shows which execution it was.
    func stepRuns(_ attempt: AttemptName, key: String, idempotencyKey: String) -> Int {
        lastValue += 1
        entries.append(.stepRan(attempt, key: key, idempotencyKey: idempotencyKey, value: lastValue))
        let place = Place(attempt: attempt, key: key)
        if let earlier = idempotencyKeys[place], earlier != idempotencyKey {
            violate(
                "idempotency key", "\(attempt): the step '\(key)' ran under two keys, \(earlier), \(idempotencyKey)")
        }
        if let owner = owners[idempotencyKey], owner != place {
            violate(
                "idempotency key",
                "\(attempt): the step '\(key)' has the key of '\(owner.key)' of \(owner.attempt), \(idempotencyKey)")
        }
        idempotencyKeys[place] = idempotencyKey
        owners[idempotencyKey] = place
        return lastValue
    }

    func stepAnswered(_ attempt: AttemptName, key: String, value: Int) {
        entries.append(.stepAnswered(attempt, key: key, value: value))
        let place = Place(attempt: attempt, key: key)
        if let earlier = steps[place], earlier != value {
            violate("step result", "\(attempt): the step '\(key)' gave \(earlier), and then \(value)")
        }
        if steps.updateValue(value, forKey: place) == nil { stepOrder.append(place) }
    }

    func waitAnswered(_ attempt: AttemptName, key: String, answer: String?) {
        entries.append(.waitAnswered(attempt, key: key, answer: answer))
        let place = Place(attempt: attempt, key: key)
        if let earlier = waits[place], earlier != answer {
            violate(
                "wait outcome",
                "\(attempt): the wait '\(key)' gave \(earlier ?? "its timeout"), and then \(answer ?? "its timeout")")
        }
        waits[place] = .some(answer)
    }

    private func violate(_ rule: String, _ sentence: String) {
        violations.append(Violation(rule, sentence))
    }
}
