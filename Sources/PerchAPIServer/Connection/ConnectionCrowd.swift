// SPDX-License-Identifier: Apache-2.0

/// All connections of a server. Where there are too many, the one that has kept the server waiting for longest gives way, so
/// that nobody can hold the others out by saying nothing.
// Unchecked, because it is touched on the server's one event loop alone.
final class ConnectionCrowd: @unchecked Sendable {
    private let most: Int
    /// In the order of their coming.
    private var members: [ConnectionGuard] = []

    init(most: Int) {
        self.most = most
    }

    /// Lets a connection in, if need be in another one's place; false where every other one is being answered.
    func enter(_ newcomer: ConnectionGuard) -> Bool {
        if members.count >= most {
            let waiting = members.enumerated().filter { $0.element.isWaiting }
            guard let last = waiting.min(by: { $0.element.deadline < $1.element.deadline }) else { return false }
            members.remove(at: last.offset).giveWay()
        }
        members.append(newcomer)
        return true
    }

    func leave(_ member: ConnectionGuard) {
        members.removeAll { $0 === member }
    }
}
