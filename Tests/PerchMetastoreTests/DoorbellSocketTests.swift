// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import Testing

@testable import PerchMetastore

@Suite("The doorbell between processes", .timeLimit(.minutes(1)))
struct DoorbellSocketTests {
    private func socket() throws -> (DoorbellSocket, String) {
        let path = NSTemporaryDirectory() + "perch-bell-\(UUID().uuidString.prefix(8)).sock"
        return (try DoorbellSocket(path: path), path)
    }

    @Test("What is rung at its path is heard")
    func heard() async throws {
        let (socket, path) = try socket()
        let (rings, continuation) = AsyncStream.makeStream(of: DoorbellSet.self)
        socket.listen { continuation.yield($0) }
        DoorbellSocket.send([.runs, .waits], to: path)
        var iterator = rings.makeAsyncIterator()
        #expect(await iterator.next() == [.runs, .waits])
        socket.close()
        #expect(!FileManager.default.fileExists(atPath: path))
        // Nobody is there any more: that is no fault.
        DoorbellSocket.send(.runs, to: path)
    }

    @Test("One whose file was deleted is closed all the same")
    func deleted() throws {
        let (socket, path) = try socket()
        socket.listen { _ in }
        try FileManager.default.removeItem(atPath: path)
        socket.close()
    }

    @Test("One that nobody listened at is closed")
    func unheard() throws {
        let (socket, path) = try socket()
        socket.close()
        #expect(!FileManager.default.fileExists(atPath: path))
    }
}
