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
    X(clGetKernelInfo)                                                                             \
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
/* Gives an address, NULL for what the driver does not have. */
#define OPENCL_ADDRESS_ENTRIES(X) X(clGetExtensionFunctionAddressForPlatform)
/* Those of cl_khr_command_buffer, by address: the five whose forms are the same from 0.9.0 on
 * to 1.0; those that record copies and fills were given one more argument on the way. */
#define OPENCL_RECORD_CALL_ENTRIES(X)                                                              \
    X(clFinalizeCommandBufferKHR)                                                                  \
    X(clReleaseCommandBufferKHR)                                                                   \
    X(clEnqueueCommandBufferKHR)                                                                   \
    X(clCommandNDRangeKernelKHR)
#define OPENCL_RECORD_MAKE_ENTRIES(X) X(clCreateCommandBufferKHR)
/* All, for what looks at names and numbers alone. */
#define OPENCL_ALL_ENTRIES(X)                                                                      \
    OPENCL_CALL_ENTRIES(X)                                                                         \
    OPENCL_MAKE_ENTRIES(X)                                                                         \
    OPENCL_ADDRESS_ENTRIES(X)                                                                      \
    OPENCL_RECORD_CALL_ENTRIES(X)                                                                  \
    OPENCL_RECORD_MAKE_ENTRIES(X)

#endif
