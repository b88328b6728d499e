// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// A task instance on its way through a transition.
struct Instance {
    var id: Int64
    var runKey: Int64
    var taskIndex: Int
    var mapIndex: Int
    /// The current try, or the last one; 0 before the first.
    var tryNumber: Int

    var place: TaskPlace { TaskPlace(runKey: runKey, taskIndex: taskIndex) }
    var whole: InstancePlace { InstancePlace(place: place, mapIndex: mapIndex) }
}

/// A task of a run, or one instance of it where it is mapped.
struct InstancePlace: Hashable, Comparable {
    var place: TaskPlace
    /// -1: the task, or what stands for it until it is mapped.
    var mapIndex = -1

    static func < (left: InstancePlace, right: InstancePlace) -> Bool {
        left.place == right.place ? left.mapIndex < right.mapIndex : left.place < right.place
    }
}

/// A task of a run.
struct TaskPlace: Hashable, Comparable {
    var runKey: Int64
    var taskIndex: Int

    static func < (left: TaskPlace, right: TaskPlace) -> Bool {
        (left.runKey, left.taskIndex) < (right.runKey, right.taskIndex)
    }
}
