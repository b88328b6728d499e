// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
package import PerchSDK

/// Where an executor looks up what attempts ask for, and what it lets nobody read.
package struct ExecutorSecrets: Sendable {
    package var desk: (any SecretDesk)?
    package var mask: SecretMask

    /// - Parameter desk: nil: there is nothing.
    package init(desk: (any SecretDesk)? = nil, mask: SecretMask = SecretMask()) {
        self.desk = desk
        self.mask = mask
    }
}

extension Executor {
    /// So many look-ups a bundle may wait for: what asks faster than that is told so.
    private static var mostLookUps: Int { 10_000 }

    /// Answers what an attempt asks for, whenever it is found; nothing else waits for that.
    func lookUp(_ question: LookUp, for place: Place, _ number: Int) {
        guard let attempt = core.attempts[question.dispatchID], attempt.place == place, attempt.isInProcess else {
            return answer(question, .problem(code: PerchError.Code.conflict.rawValue, message: Self.stale), in: place)
        }
        guard let desk = secrets.desk else { return answer(question, .absent, in: place) }
        guard lookUps[number, default: 0] < Self.mostLookUps else {
            let words =
                "more than \(Self.mostLookUps) look-ups of this bundle are under way; ask for \(question.name) again"
            return answer(
                question, .problem(code: PerchError.Code.unavailable.rawValue, message: words), in: place)
        }
        lookUps[number, default: 0] += 1
        Task(executorPreference: reactor) { await self.find(question, at: desk, for: number) }
    }

    private static var stale: String { "this dispatch is not the current one any more" }

    private func find(_ question: LookUp, at desk: any SecretDesk, for number: Int) async {
        let outcome: LookUpAnswer.Outcome
        do {
            outcome = try await desk.find(question.name).map { .found($0) } ?? .absent
        } catch let error as PerchError {
            outcome = .problem(code: error.code.rawValue, message: secrets.mask.masked(error.message))
        } catch {
            outcome = .problem(
                code: PerchError.Code.unavailable.rawValue, message: secrets.mask.masked("\(question.name): \(error)"))
        }
        // Before the code has it, so that no line of it comes first.
        if case .found(let found) = outcome { secrets.mask.add(found.secrets) }
        guard let count = lookUps[number], let place = living[number]?.place, bundles[place]?.number == number else {
            return
        }
        lookUps[number] = count > 1 ? count - 1 : nil
        answer(question, outcome, in: place)
    }

    private func answer(_ question: LookUp, _ outcome: LookUpAnswer.Outcome, in place: Place) {
        guard let link = bundles[place]?.link else { return }
        func send(_ outcome: LookUpAnswer.Outcome) throws(BundleProtocolError) {
            try link.send(
                .lookedUp(
                    LookUpAnswer(dispatchID: question.dispatchID, number: question.number, outcome: outcome)))
        }
        do throws(BundleProtocolError) {
            do throws(BundleProtocolError) {
                try send(outcome)
            } catch {
                try send(.problem(code: PerchError.Code.invalid.rawValue, message: "\(question.name): \(error)"))
            }
        } catch {
            preconditionFailure("a short message is short enough: \(error)")
        }
        link.flush()
    }
}
