// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
internal import PerchMetastore
internal import PerchSDK

/// What is sent to the bundle before the COMMIT of its claim has returned, so that it is read when its code may run. Until
/// then nothing of it is done, and nothing is known of it here but that it was sent: the COMMIT may fail.
extension ExecutorCore {
    /// Of a claim of more tasks none is sent before: they begin one after another anyway.
    private static let mostForeseen = 4

    /// A claim will have these tasks if its COMMIT goes through. The last word counts: a claim may be made again.
    mutating func foresee(_ tasks: [ClaimedTask], now: Timestamp) {
        recallForeseen()
        guard isReady[.main] == true, tasks.count <= Self.mostForeseen else { return }
        for task in tasks where !task.isSuspect {
            do {
                var order = try Attempt(task: task, place: .main, now: now).order
                order.isHeld = true
                actions.append(.send(.main, .run(order)))
                foreseen.insert(task.dispatchID)
            } catch {
                // What is wrong with it is said in its log, when it is handed out.
                continue
            }
        }
    }

    /// It is too long to be sent, and that is said when it is handed out.
    mutating func cannotForesee(_ dispatchID: Int64) { foreseen.remove(dispatchID) }

    /// What has not begun by now was foreseen wrongly.
    mutating func recallForeseen() {
        for dispatchID in foreseen.sorted() { actions.append(.send(.main, .refused(dispatchID: dispatchID))) }
        foreseen = []
    }

    /// The bundle that it was sent to is gone.
    mutating func forgetForeseen(in place: Place) {
        if place == .main { foreseen = [] }
    }
}
