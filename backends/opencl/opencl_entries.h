/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of an OpenCL driver that the backend calls: one list for loading, calling and faults.
 */
#ifndef TN_BACKENDS_OPENCL_ENTRIES_H
#define TN_BACKENDS_OPENCL_ENTRIES_H

/* CALL entries return a status, MAKE entries an object and leave the status at their last argument.
 */
#define OPENCL_CALL_ENTRIES(X)                                                                     \
    X(clGetPlatformIDs)                                                                            \
    X(clGetPlatformInfo)                                                                           \
    X(clGetDeviceIDs)                                                                              \
    X(clGetDeviceInfo)                                                                             \
    X(clReleaseContext)                                                                            \
    X(clReleaseCommandQueue)                                                                       \
    X(clReleaseMemObject)                                                                          \
    X(clBuildProgram)                                                                              \
    X(clGetProgramInfo)                                                                            \
    X(clGetProgramBuildInfo)                                                                       \
    X(clReleaseProgram)                                                                            \
    X(clGetKernelWorkGroupInfo)                                                                    \
    X(clReleaseKernel)                                                                             \
    X(clSetKernelArg)                                                                              \
    X(clEnqueueNDRangeKernel)                                                                      \
    X(clEnqueueReadBuffer)                                                                         \
    X(clEnqueueWriteBuffer)                                                                        \
    X(clEnqueueCopyBuffer)                                                                         \
    X(clEnqueueFillBuffer)                                                                         \
    X(clEnqueueUnmapMemObject)                                                                     \
    X(clFlush)                                                                                     \
    X(clFinish)                                                                                    \
    X(clWaitForEvents)                                                                             \
    X(clGetEventInfo)                                                                              \
    X(clGetEventProfilingInfo)                                                                     \
    X(clReleaseEvent)
#define OPENCL_MAKE_ENTRIES(X)                                                                     \
    X(clCreateContext)                                                                             \
    X(clCreateCommandQueue)                                                                        \
    X(clCreateBuffer)                                                                              \
    X(clCreateProgramWithSource)                                                                   \
    X(clCreateProgramWithBinary)                                                                   \
    X(clCreateKernel)                                                                              \
    X(clEnqueueMapBuffer)

#endif
