// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import PerchReactor

struct TimerHeapTests {
    @Test("An entry takes sixteen bytes")
    func size() {
        #expect(MemoryLayout<TimerHeap<Int64>.Entry>.stride == 16)
    }

    @Test("Entries leave by deadline, then by id")
    func order() {
        var heap = TimerHeap<Int64>()
        heap.insert(deadline: 30, id: 1)
        heap.insert(deadline: 10, id: 3)
        heap.insert(deadline: 10, id: 2)
        heap.insert(deadline: 20, id: 4)
        #expect(heap.earliest == 10)
        var left: [Int64] = []
        while let entry = heap.popDue(20) { left.append(entry.id) }
        #expect(left == [2, 3, 4])
        #expect(heap.earliest == 30)
        #expect(heap.count == 1)
    }

    @Test("Random insertions, removals and pops agree with a sorted list", arguments: 0..<20 as Range<UInt64>)
    func model(seed: UInt64) {
        var generator = LoopGenerator(seed: seed)
        var heap = TimerHeap<Int64>()
        var model: [Int64: Int64] = [:]
        var nextID: Int64 = 0
        for _ in 0..<3_000 {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<5:
                nextID += 1
                let deadline = Int64.random(in: 0..<1_000, using: &generator)
                heap.insert(deadline: deadline, id: nextID)
                model[nextID] = deadline
            case 5..<8:
                // Also ids that left before or never came.
                let id = Int64.random(in: 0...(nextID + 1), using: &generator)
                heap.remove(id)
                model[id] = nil
            case 8:
                // An id that was taken out may come again.
                guard let id = model.keys.min() else { continue }
                heap.remove(id)
                heap.insert(deadline: 500, id: id)
                model[id] = 500
            default:
                let now = Int64.random(in: 0..<1_000, using: &generator)
                let expected = model.filter { $0.value <= now }.min { ($0.value, $0.key) < ($1.value, $1.key) }
                let found = heap.popDue(now)
                #expect(found?.id == expected?.key)
                if let expected { model[expected.key] = nil }
            }
            #expect(heap.earliest == model.values.min())
        }
        #expect(heap.count == model.count)
    }

    @Test("A million entries go in, half of them out again, and the rest in order")
    func million() {
        var generator = LoopGenerator(seed: 1)
        var heap = TimerHeap<Int64>()
        heap.reserve(1_000_000)
        for id in 0..<1_000_000 as Range<Int64> {
            heap.insert(deadline: Int64.random(in: 0..<1_000_000_000, using: &generator), id: id)
        }
        #expect(heap.count == 1_000_000)
        for id in 0..<500_000 as Range<Int64> { heap.remove(id) }
        #expect(heap.count == 500_000)
        var last = Int64.min
        var count = 0
        while let entry = heap.popDue(.max) {
            if entry.deadline < last || entry.id < 500_000 { Issue.record("out of order, or removed") }
            last = entry.deadline
            count += 1
        }
        #expect(count == 500_000)
        let isEmpty = heap.isEmpty
        #expect(isEmpty)
    }
}
