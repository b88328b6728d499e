// SPDX-License-Identifier: Apache-2.0

/// All connections of a server. Where there are too many, the one that has kept the server waiting for longest gives way, so
/// that nobody can hold the others out by saying nothing.
// Unchecked, because it is touched on the server's one event loop alone.
final class ConnectionCrowd: @unchecked Sendable {
    private let most: Int
    private let mostUntaken: Int
    /// In the order of their coming.
    private var members: [ConnectionGuard] = []
    /// Bytes of answers that their connections have not taken yet.
    private var untaken = 0

    init(most: Int, untaken: Int) {
        self.most = most
        mostUntaken = untaken
    }

    /// Lets a connection in, if need be in another one's place; false where every other one is being answered.
    func enter(_ newcomer: ConnectionGuard) -> Bool {
        if members.count >= most {
            guard let last = longest(of: members.filter(\.isWaiting)) else { return false }
            leave(last)
            last.giveWay()
        }
        members.append(newcomer)
        return true
    }

    /// So much of an answer waits to be taken. Where that is too much of all answers together, those that were left lying for
    /// longest are given up.
    func hold(_ count: Int, of member: ConnectionGuard) {
        untaken += count
        while untaken > mostUntaken, let last = longest(of: members.filter { $0.isUntaken && $0 !== member }) {
            leave(last)
            last.giveWay()
        }
    }

    /// So much of it was taken, or will never be.
    func release(_ count: Int) { untaken -= count }

    /// Of those that wait for their senders the one that has done so for longest.
    private func longest(of waiting: [ConnectionGuard]) -> ConnectionGuard? {
        waiting.min { $0.deadline < $1.deadline }
    }

    func leave(_ member: ConnectionGuard) {
        members.removeAll { $0 === member }
    }
}
