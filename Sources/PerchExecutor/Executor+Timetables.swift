// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchBundle
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK

/// Timetables in code: what the schedule has to know of them is asked of the bundle, and stored.
extension Executor {
    /// So many ticks are asked for at once.
    private static var ticksAtOnce: Int { 200 }

    /// Asks the bundle for the ticks that are wanted.
    ///
    /// - Parameter again: Those, too, that it was asked for and has not told: it is another process now.
    func askForTicks(again: Bool) {
        guard life == .running, bundles[.main]?.isReady == true else { return }
        if again { askedTicks = [] }
        mustLookForTicks = true
        guard !isLookingForTicks else { return }
        isLookingForTicks = true
        Task(executorPreference: reactor) { await self.lookForTicks() }
    }

    private func lookForTicks() async {
        while mustLookForTicks {
            mustLookForTicks = false
            do {
                let wants = try await store.tickWants(bundle: launcher.name)
                guard life == .running else { break }
                for want in wants where askedTicks.insert(want).inserted {
                    core.actions.append(
                        .send(.main, .tellTicks(dagID: want.dagID, after: want.after, count: Self.ticksAtOnce)))
                }
                pump()
            } catch {
                // The next poll looks again.
                logger.error("the ticks that are wanted of timetables cannot be read", metadata: ["error": "\(error)"])
            }
        }
        isLookingForTicks = false
    }

    /// Stores what a timetable has told.
    func take(_ told: ToldTicks) {
        askedTicks.remove(TickWant(dagID: told.dagID, after: told.after))
        // It is asked again with every poll, and may be told to be no other.
        let isNews = tickProblems.updateValue(told.problem, forKey: told.dagID) != told.problem
        if let problem = told.problem, isNews {
            logger.error(
                "a timetable cannot tell when runs are created",
                metadata: ["dag_id": "\(told.dagID)", "why": "\(problem)"])
        }
        Task(executorPreference: reactor) {
            do {
                try await self.store.storeTicks(
                    of: told.dagID, after: told.after, told.ticks, isLast: told.isLast, problem: told.problem)
            } catch {
                // It is wanted still, and asked for again.
                self.logger.error(
                    "the ticks of a timetable are not stored",
                    metadata: ["dag_id": "\(told.dagID)", "error": "\(error)"])
            }
        }
    }
}
