// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore
@testable import PerchTriggerer

@Suite("The parts of a triggerer's state")
struct StatePartsTests {
    private func firing(_ waitID: Int64) -> Firing { Firing(waitID: waitID, outcome: .event(.null), by: "test") }

    @Test("Waits are counted by kind and by what is done with them, while they change")
    func phases() {
        var table = WaitTable(kinds: 2)
        for waitID in 1...3 { _ = table.insert(Int64(waitID), WaitEntry(kind: 1, flags: .isLookingBack, place: 0)) }
        _ = table.insert(4, WaitEntry(kind: 0, flags: .hasDeadline, place: 0))
        #expect(table.states(of: 0) == ["armed": 1, "looking_back": 0, "last_probe": 0])
        #expect(table.states(of: 1) == ["armed": 0, "looking_back": 3, "last_probe": 0])
        table.clear(.isLookingBack, of: 1)
        table.clear(.isLookingBack, of: 2)
        table.set(.isProbing, of: 2)
        table.set(.isProbing, of: 9)
        #expect(table.states(of: 1) == ["armed": 1, "looking_back": 1, "last_probe": 1])
        for waitID in 1...3 { _ = table.remove(Int64(waitID)) }
        #expect(table.states(of: 1) == ["armed": 0, "looking_back": 0, "last_probe": 0])
        #expect(table.countByKind == [1, 0])
    }

    @Test("A fire that the metastore refuses is found, fired as broken, and set aside; the others are stored")
    func poison() {
        var fires = FireBuffer(size: 8)
        for waitID in 1...20 { fires.append(firing(Int64(waitID))) }
        var stored: [Int64] = []
        var setAside: [Int64] = []
        var now: Int64 = 0
        for _ in 0..<200 where fires.hasWaiting {
            now = max(now, fires.retryAt)
            let group = fires.take()
            if group.contains(where: { $0.waitID == 5 }) {
                if let firing = fires.failed(PerchError(.invalid, "no"), at: now) { setAside.append(firing.waitID) }
            } else {
                stored += group.map(\.waitID)
                fires.committed()
            }
        }
        #expect(stored.sorted() == (1...20).filter { $0 != 5 })
        #expect(setAside == [5])
    }

    @Test("While the disk is away every fire is kept, in pauses that grow to five seconds")
    func diskAway() {
        var fires = FireBuffer(size: 4)
        for waitID in 1...10 { fires.append(firing(Int64(waitID))) }
        var now: Int64 = 0
        for _ in 0..<50 {
            _ = fires.take()
            let setAside = fires.failed(PerchError(.unavailable, "no space"), at: now)
            #expect(setAside == nil)
            #expect(fires.retryAt - now <= 5_000_000)
            now = fires.retryAt
        }
        #expect(fires.count == 10)
        #expect(now > 60_000_000)
    }

    @Test("The state of a probe is stored when its answer changes, and else now and then")
    func probes() {
        var book = ProbeBook(every: 9_000_000, delay: 250_000)
        func state(_ result: String, _ probes: Int64) -> ProbeState {
            ProbeState(kind: "http", target: "u", lastResult: result, probes: probes)
        }
        book.take(state("200", 1), at: 0)
        book.take(state("200", 2), at: 100_000)
        let early = book.due(at: 200_000, limit: 10)
        #expect(early.isEmpty)
        let first = book.due(at: 250_000, limit: 10)
        #expect(first.map(\.probes) == [2])
        book.take(state("200", 3), at: 1_000_000)
        #expect(book.storeAt == nil)
        book.take(state("500", 4), at: 2_000_000)
        let changed = book.due(at: 2_250_000, limit: 10)
        #expect(changed.map(\.lastResult) == ["500"])
        book.take(state("500", 5), at: 12_000_000)
        #expect(book.storeAt == 12_250_000)
    }

    @Test("Probes of targets that come and go are remembered no longer than they keep others from being stored")
    func probesOfPassingTargets() {
        var book = ProbeBook(every: 9_000_000, delay: 250_000)
        // One more target than fits into a batch each time, so that something is always left.
        for second in 0..<100 {
            let now = Int64(second) * 1_000_000
            for index in 0..<(second == 0 ? 11 : 10) {
                book.take(ProbeState(kind: "http", target: "\(second)/\(index)", lastResult: "200", probes: 1), at: now)
            }
            #expect(book.due(at: now + 250_000, limit: 10).count == 10)
        }
        #expect(book.remembered <= 200)
    }

    @Test("A lease is believed in from its request on, renewed in time, and over when it has run out")
    func lease() {
        var lease = LeaseState(lease: 30, renewEvery: 10)
        let asked1 = lease.mustAsk(at: 100)
        #expect(asked1)
        let asked2 = lease.mustAsk(at: 101)
        #expect(!asked2)
        lease.granted(owner: 1)
        #expect(lease.isHeld)
        #expect(lease.nextInstant == 110)
        let asked3 = lease.mustRenew(at: 109)
        #expect(!asked3)
        let asked4 = lease.mustRenew(at: 115)
        #expect(asked4)
        lease.renewed()
        #expect(!lease.isOver(at: 144))
        #expect(lease.isOver(at: 145))
        lease.refused(at: 145)
        #expect(!lease.isHeld)
        let asked5 = lease.mustAsk(at: 146)
        #expect(!asked5)
        let asked6 = lease.mustAsk(at: 100_145)
        #expect(asked6)
    }

    @Test("An overdue level wait gets one last probe, and times out if no answer comes")
    func overdue() throws {
        let configuration = TriggererConfiguration()
        var state = TriggererState(
            configuration: configuration, kinds: KindDirectory([(kinds: ["level"], isInbox: false)]))
        let start: Int64 = 1_000_000_000
        func works(_ now: Int64) -> [TriggererWork] {
            var works: [TriggererWork] = []
            while let work = state.next(now: now) { works.append(work) }
            return works
        }
        guard case .acquire? = works(start).first else {
            Issue.record("the lease comes first")
            return
        }
        state.acquired(owner: 1, share: ShardShare(owned: .all(of: ["default"])), lastEvent: 0, now: start)
        guard case .readWaits(let request)? = works(start).first else {
            Issue.record("then the waits are read")
            return
        }
        let wait = WaitToArm(
            waitID: 4, kind: "level", target: "t", due: nil, deadline: Timestamp(microseconds: start - 5),
            since: Timestamp(microseconds: 0), definition: nil, progress: nil, eventFloor: 0, queue: "default", shard: 3
        )
        state.waitsRead(request, WaitsPage(waits: [wait], last: 4, isComplete: true, notes: []), now: start)
        let probe = works(start).contains { if case .probe(waitID: 4, source: 0) = $0 { true } else { false } }
        #expect(probe)
        let bound = start + configuration.overdueProbe.microseconds
        let next = state.nextInstant() ?? .max
        #expect(next <= bound)
        let group = works(bound).compactMap { work in
            if case .commit(let group) = work { group.firings } else { nil }
        }
        #expect(group.first?.first?.waitID == 4 || state.fires.count == 1)
    }
}
